why = "RFC 6455 section 8.1: refused when it is seen."
offer = 'permessage-deflate'
events = [['failed', 1007, 'UTF-8']]
---
\xc1\xfe\x03\xe8\0\0\0\0\0\x84\x03\x7b\xfcok\xed\xa0
