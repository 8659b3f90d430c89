why = "RFC 6455 section 5.2: in control frames as well."
events = [['failed', 1002, 'shortest']]
---
\x89\xfe\0\x05\0\0\0\0xxxxx
