why = "RFC 6455 section 5.4: Close may come between fragments; the message is never complete."
events = [['closed', 1000, '']]
---
\x01\x81\0\0\0\0a
\x88\x82\0\0\0\0\x03\xe8
