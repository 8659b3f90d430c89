why = "RFC 6455 section 5.2: an unknown opcode fails the connection."
events = [['failed', 1002, 'opcode 7']]
---
\x87\x81\0\0\0\0x
