why = "A message is judged by the headers of its frames."
limits = { message = 10 }
events = [['failed', 1009, 'message longer than 10 bytes']]
---
\x01\x85\0\0\0\001234
\0\x86\0\0\0\0
