why = "RFC 6455 section 7.1.5: half a message is no message."
events = [['lost']]
---
\x81\x8a\0\0\0\0half
