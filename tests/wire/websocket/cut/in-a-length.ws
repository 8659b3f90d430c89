why = "RFC 6455 section 7.1.5: the same inside a length."
events = [['text', 'a'], ['lost']]
---
\x81\x81\0\0\0\0a
\x82\xff\0\0\0
