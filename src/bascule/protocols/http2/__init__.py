"""HTTP/2 (RFC 9113), with HPACK (RFC 7541), priorities (RFC 9218) and WebSockets (RFC 8441)."""
