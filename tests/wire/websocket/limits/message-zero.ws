why = "A limit of nothing lets empty messages in."
limits = { message = 0 }
events = [['text', ''], ['failed', 1009, 'message longer than 0 bytes']]
---
\x81\x80\0\0\0\0
\x81\x81\0\0\0\0x
