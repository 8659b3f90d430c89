why = "A frame is judged by its header."
limits = { frame = 10 }
events = [['failed', 1009, 'frame longer than 10 bytes']]
---
\x82\x8b\0\0\0\0
