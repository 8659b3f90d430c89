why = "RFC 6455 section 5.5.1: nothing is looked at after Close."
events = [['closed', 1000, '']]
---
\x88\x82\0\0\0\0\x03\xe8
\x88\x81\0\0\0\0\x03
