why = "RFC 6455 section 8.1 is about the reason, too."
events = [['failed', 1007, 'UTF-8']]
---
\x88\x83\0\0\0\0\x03\xe8\xff
