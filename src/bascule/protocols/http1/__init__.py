"""HTTP/1.1 (RFC 9112): heads, bodies and responses, without input or output."""
