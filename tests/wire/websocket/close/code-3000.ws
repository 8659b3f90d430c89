why = "RFC 6455 section 7.4 and the IANA registry: a code that may be sent."
events = [['closed', 3000, '']]
---
\x88\x82\0\0\0\0\x0b\xb8
