why = "RFC 6455 section 8.1: wherever the bad byte is."
events = [['failed', 1007, 'UTF-8']]
---
\x01\x82\0\0\0\0ok
\0\x81\0\0\0\0\xff
