why = "RFC 7692 section 6.1: control frames are not compressed."
offer = 'permessage-deflate'
events = [['failed', 1002, 'control frame with a reserved bit']]
---
\xc8\x82\0\0\0\0\x03\xe8
