why = "Each message is counted by itself."
limits = { message = 10 }
events = [['text', '0123456789'], ['text', '0123456789'], ['lost']]
---
\x01\x85\0\0\0\001234
\x80\x85\0\0\0\056789
\x81\x8a\0\0\0\00123456789
