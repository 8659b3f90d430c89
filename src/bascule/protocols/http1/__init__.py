"""HTTP/1.1 (RFC 9112): heads read by llhttp, everything it leaves open decided here."""
