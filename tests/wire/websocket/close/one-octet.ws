why = "RFC 6455 section 5.5.1: a code has two bytes."
events = [['failed', 1002, 'one byte']]
---
\x88\x81\0\0\0\0\x03
