why = "RFC 6455 section 5.2: a length at the edge of its form."
events = [['binary', '\{65535:x}'], ['lost']]
---
\x82\xfe\xff\xff\0\0\0\0\{65535:x}
