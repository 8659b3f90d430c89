why = "RFC 7692 section 7.2.3.1: the same in two frames."
offer = 'permessage-deflate'
events = [['text', 'Hello'], ['lost']]
---
A\x83\0\0\0\0\xf2H\xcd
\x80\x84\0\0\0\0\xc9\xc9\x07\0
