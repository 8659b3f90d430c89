why = "RFC 6455 section 5.2: the other bits are still reserved."
offer = 'permessage-deflate'
events = [['failed', 1002, 'reserved bit']]
---
\xe1\x87\0\0\0\0\xf2H\xcd\xc9\xc9\x07\0
