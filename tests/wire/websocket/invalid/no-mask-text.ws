why = "RFC 6455 section 5.1: a server closes on a frame that is not masked."
events = [['failed', 1002, 'mask']]
---
\x81\0
