why = "RFC 3629: a character like any other."
events = [['text', '\0'], ['lost']]
---
\x81\x81\0\0\0\0\0
