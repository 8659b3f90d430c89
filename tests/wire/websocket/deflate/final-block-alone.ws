why = "What zlib makes when it is told to finish; others read it."
offer = 'permessage-deflate'
events = [['text', 'Hello'], ['lost']]
---
\xc1\x87\0\0\0\0\xf3H\xcd\xc9\xc9\x07\0
