why = "RFC 3629 section 3: the ends of what UTF-8 can say."
events = [['text', '\xc2\x80\xdf\xbf'], ['lost']]
---
\x81\x84\0\0\0\0\xc2\x80\xdf\xbf
