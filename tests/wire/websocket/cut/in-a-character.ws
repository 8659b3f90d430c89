why = "A text whose last byte is missing may still be UTF-8."
events = [['lost']]
---
\x81\x83\0\0\0\0\xe2\x82
