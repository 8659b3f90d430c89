why = "RFC 6455 section 7.1.5: the same inside a header."
events = [['lost']]
---
\x81
