why = "RFC 7692 section 6.1: where a message is cut says nothing."
offer = 'permessage-deflate'
events = [['text', 'Hello'], ['lost']]
---
A\x80\0\0\0\0
\0\x87\0\0\0\0\xf2H\xcd\xc9\xc9\x07\0
\x80\x80\0\0\0\0
