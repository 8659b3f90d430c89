why = "What stands before a bad frame is not lost with it."
events = [['text', 'a'], ['ping', 'b'], ['binary', 'c'], ['failed', 1002, 'opcode 3']]
---
\x81\x81\0\0\0\0a
\x89\x81\0\0\0\0b
\x82\x81\0\0\0\0c
\x83\x80\0\0\0\0
