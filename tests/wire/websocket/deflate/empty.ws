why = "RFC 7692 section 7.2.3.6: an empty message."
offer = 'permessage-deflate'
events = [['text', ''], ['binary', ''], ['lost']]
---
\xc1\x81\0\0\0\0\0
\xc2\x82\0\0\0\0\x02\0
