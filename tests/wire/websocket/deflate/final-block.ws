why = "RFC 7692 section 7.2.3.4: a block with BFINAL."
offer = 'permessage-deflate'
events = [['text', 'Hello'], ['lost']]
---
\xc1\x88\0\0\0\0\xf3H\xcd\xc9\xc9\x07\0\0
