why = "RFC 6455 section 5.2: the same inside a fragmented message."
events = [['failed', 1002, 'opcode 3']]
---
\x01\x80\0\0\0\0
\x83\x81\0\0\0\0x
