why = "RFC 6455 section 5.5.1: a reason ends behind a character."
events = [['failed', 1007, 'UTF-8']]
---
\x88\x84\0\0\0\0\x03\xe8\xe2\x82
