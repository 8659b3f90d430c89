why = "A few bytes may stand for many."
offer = 'permessage-deflate'
events = [['text', '\{1000:a}'], ['lost']]
---
\xc1\x8b\0\0\0\0JL\x1c\x05\xa3`\x14\x0cw\0\0
