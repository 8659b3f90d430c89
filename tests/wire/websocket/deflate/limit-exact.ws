why = "The limit of a message counts what it stands for."
offer = 'permessage-deflate'
limits = { message = 1000 }
events = [['text', '\{1000:a}'], ['lost']]
---
\xc1\x8b\0\0\0\0JL\x1c\x05\xa3`\x14\x0cw\0\0
