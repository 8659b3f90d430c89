why = "RFC 7692 section 6.1: control frames are not compressed."
offer = 'permessage-deflate'
events = [['failed', 1002, 'control frame with a reserved bit']]
---
\xc9\x87\0\0\0\0\xf2H\xcd\xc9\xc9\x07\0
