why = "Control frames are no messages."
limits = { message = 5, frame = 5 }
events = [['ping', '0123456789'], ['closed', 1000, '0123456789']]
---
\x89\x8a\0\0\0\00123456789
\x88\x8c\0\0\0\0\x03\xe80123456789
