why = "RFC 6455 section 8.1: the fragments are one text."
events = [['failed', 1007, 'UTF-8']]
---
\x01\x82\0\0\0\0\xe2\x82
\0\x81\0\0\0\0x
