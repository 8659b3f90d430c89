why = "Control frames are no fragments."
limits = { fragments = 3 }
events = [['ping', ''], ['text', 'abc'], ['lost']]
---
\x01\x81\0\0\0\0a
\0\x81\0\0\0\0b
\x89\x80\0\0\0\0
\x80\x81\0\0\0\0c
