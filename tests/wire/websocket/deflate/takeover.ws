why = "RFC 7692 section 7.2.3.2: the second message refers to the first."
offer = 'permessage-deflate'
events = [['text', 'Hello'], ['text', 'Hello'], ['closed', 1000, '']]
---
\xc1\x87\0\0\0\0\xf2H\xcd\xc9\xc9\x07\0
\xc1\x85\0\0\0\0\xf2\0\x11\0\0
\x88\x82\0\0\0\0\x03\xe8
