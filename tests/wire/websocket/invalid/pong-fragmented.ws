why = "RFC 6455 section 5.5: control frames are not fragmented."
events = [['failed', 1002, 'fragmented control']]
---
\n\x81\0\0\0\0a
