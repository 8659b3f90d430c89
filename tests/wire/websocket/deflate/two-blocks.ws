why = "RFC 7692 section 7.2.3.5: two blocks."
offer = 'permessage-deflate'
events = [['text', 'Hello'], ['lost']]
---
\xc1\x8d\0\0\0\0
\xf2H\x05\0\0\0\xff\xff\xca\xc9\xc9\x07\0
