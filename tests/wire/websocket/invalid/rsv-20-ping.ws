why = "RFC 6455 section 5.2: in control frames as well."
events = [['failed', 1002, 'reserved bit']]
---
\xa9\x81\0\0\0\0x
