why = "RFC 7692 section 7.2.2: data that cannot be inflated."
offer = 'permessage-deflate'
events = [['failed', 1007, 'compressed']]
---
\xc1\x82\0\0\0\0\xff\xff
