why = "RFC 7692 section 7.2.3.3: a block without compression."
offer = 'permessage-deflate'
events = [['text', 'Hello'], ['lost']]
---
\xc1\x8b\0\0\0\0\0\x05\0\xfa\xffHello\0
