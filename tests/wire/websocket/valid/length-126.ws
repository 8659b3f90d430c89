why = "RFC 6455 section 5.2: a length at the edge of its form."
events = [['binary', '\{126:x}'], ['lost']]
---
\x82\xfe\0~\0\0\0\0\{126:x}
