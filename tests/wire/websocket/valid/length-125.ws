why = "RFC 6455 section 5.2: a length at the edge of its form."
events = [['binary', '\{125:x}'], ['lost']]
---
\x82\xfd\0\0\0\0\{125:x}
