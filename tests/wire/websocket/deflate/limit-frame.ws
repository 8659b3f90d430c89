why = "The limit of a frame counts what is on the wire."
offer = 'permessage-deflate'
limits = { frame = 5 }
events = [['failed', 1009, 'frame longer than 5 bytes']]
---
\xc1\x86\0\0\0\0
