why = "RFC 7692 section 6: a message may be sent as it is."
offer = 'permessage-deflate'
events = [['text', 'plain'], ['text', 'Hello'], ['binary', 'plain'], ['lost']]
---
\x81\x85\0\0\0\0plain
\xc1\x87\0\0\0\0\xf2H\xcd\xc9\xc9\x07\0
\x82\x85\0\0\0\0plain
