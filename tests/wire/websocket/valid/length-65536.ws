why = "RFC 6455 section 5.2: a length at the edge of its form."
events = [['binary', '\{65536:x}'], ['lost']]
---
\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0\{65536:x}
