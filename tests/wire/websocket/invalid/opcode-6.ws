why = "RFC 6455 section 5.2: an unknown opcode fails the connection."
events = [['failed', 1002, 'opcode 6']]
---
\x86\x81\0\0\0\0x
