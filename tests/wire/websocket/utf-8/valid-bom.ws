why = "RFC 3629: a character like any other."
events = [['text', '\xef\xbb\xbfx'], ['lost']]
---
\x81\x84\0\0\0\0\xef\xbb\xbfx
