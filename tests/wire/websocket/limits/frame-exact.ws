why = "A limit may be reached."
limits = { frame = 10, message = 10 }
events = [['binary', '0123456789'], ['lost']]
---
\x82\x8a\0\0\0\00123456789
