why = "RFC 7692 section 6.1: only the first frame of a message says it."
offer = 'permessage-deflate'
events = [['failed', 1002, 'continuation with a reserved bit']]
---
A\x83\0\0\0\0\xf2H\xcd
\xc0\x84\0\0\0\0\xc9\xc9\x07\0
