why = "RFC 6455 section 5.2: the largest length that there is."
events = [['failed', 1009, 'frame longer']]
---
\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0
