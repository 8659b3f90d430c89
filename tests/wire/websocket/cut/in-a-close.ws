why = "RFC 6455 section 7.1.5: half a Close frame is none."
events = [['lost']]
---
\x88\x85\0\0\0\0\x03\xe8b
