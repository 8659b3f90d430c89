why = "The limit of a message counts what it stands for."
offer = 'permessage-deflate'
limits = { message = 999 }
events = [['failed', 1009, 'message longer than 999 bytes']]
---
\xc1\x8b\0\0\0\0JL\x1c\x05\xa3`\x14\x0cw\0\0
