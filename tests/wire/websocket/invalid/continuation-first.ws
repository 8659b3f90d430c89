why = "RFC 6455 section 5.4: there is nothing to continue."
events = [['failed', 1002, 'continuation of no message']]
---
\x80\x81\0\0\0\0x
