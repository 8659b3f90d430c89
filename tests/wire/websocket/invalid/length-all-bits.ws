why = "RFC 6455 section 5.2: the first bit of 64 is 0."
events = [['failed', 1002, 'shortest']]
---
\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0
