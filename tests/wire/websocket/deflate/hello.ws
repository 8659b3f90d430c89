why = "RFC 7692 section 7.2.3.1: a compressed message."
offer = 'permessage-deflate'
events = [['text', 'Hello'], ['lost']]
---
\xc1\x87\0\0\0\0\xf2H\xcd\xc9\xc9\x07\0
