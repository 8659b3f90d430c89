why = "RFC 6455 section 5.5: control frames have at most 125 bytes."
events = [['failed', 1002, '125']]
---
\x88\xfe\0~\0\0\0\0\{126:x}
