why = "RFC 6455 section 5.4: messages are not interleaved."
events = [['failed', 1002, 'before the end']]
---
\x01\x81\0\0\0\0a
\x81\x81\0\0\0\0b
