why = "RFC 1951 section 3.2.5: a reference to what is before the beginning."
offer = 'permessage-deflate'
events = [['failed', 1007, 'compressed']]
---
\xc1\x85\0\0\0\0\xf2\0\x11\0\0
