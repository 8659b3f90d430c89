why = "RFC 6455 section 5.2: a length at the edge of its form."
events = [['binary', '\{127:x}'], ['lost']]
---
\x82\xfe\0\x7f\0\0\0\0\{127:x}
