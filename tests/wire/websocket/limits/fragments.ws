why = "Empty frames reach no other limit."
limits = { fragments = 3 }
events = [['failed', 1009, 'more than 3 frames']]
---
\x01\x80\0\0\0\0
\0\x80\0\0\0\0
\0\x80\0\0\0\0
\0\x80\0\0\0\0
