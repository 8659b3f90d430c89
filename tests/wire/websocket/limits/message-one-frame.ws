why = "A message is judged by the headers of its frames."
limits = { message = 10 }
events = [['failed', 1009, 'message longer than 10 bytes']]
---
\x82\x8b\0\0\0\0
