why = "RFC 6455 section 5.2: in continuations as well."
events = [['failed', 1002, 'reserved bit']]
---
\x01\x80\0\0\0\0
\x90\x81\0\0\0\0x
