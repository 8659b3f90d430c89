why = "RFC 3629: a character like any other."
events = [['text', '\xef\xb7\x90\xef\xbf\xbe'], ['lost']]
---
\x81\x86\0\0\0\0\xef\xb7\x90\xef\xbf\xbe
