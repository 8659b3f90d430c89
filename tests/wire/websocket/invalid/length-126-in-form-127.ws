why = "RFC 6455 section 5.2: the shortest form of a length must be used."
events = [['failed', 1002, 'shortest']]
---
\x82\xff\0\0\0\0\0\0\0~\0\0\0\0\{126:x}
