why = "RFC 6455 section 5.2: reserved bits are 0 unless an extension says otherwise."
events = [['failed', 1002, 'reserved bit']]
---
\x91\x81\0\0\0\0x
