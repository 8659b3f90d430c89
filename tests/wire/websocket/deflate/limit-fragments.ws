why = "Fragments of a compressed message are one message."
offer = 'permessage-deflate'
limits = { message = 999 }
events = [['failed', 1009, 'message longer than 999 bytes']]
---
A\x84\0\0\0\0JL\x1c\x05
\0\x87\0\0\0\0\xa3`\x14\x0cw\0\0
