why = "RFC 6455 section 8.1: refused when it is seen; the rest of the frame need not come."
events = [['failed', 1007, 'UTF-8']]
---
\x81\xfe\x03\xe8\0\0\0\0ok\xff...
