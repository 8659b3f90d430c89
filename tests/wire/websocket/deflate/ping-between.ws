why = "RFC 7692 section 6.1: control frames stay as they are."
offer = 'permessage-deflate'
events = [['ping', 'x'], ['text', 'Hello'], ['lost']]
---
A\x83\0\0\0\0\xf2H\xcd
\x89\x81\0\0\0\0x
\x80\x84\0\0\0\0\xc9\xc9\x07\0
