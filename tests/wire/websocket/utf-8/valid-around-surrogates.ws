why = "RFC 3629 section 3: the ends of what UTF-8 can say."
events = [['text', '\xed\x9f\xbf\xee\x80\x80'], ['lost']]
---
\x81\x86\0\0\0\0\xed\x9f\xbf\xee\x80\x80
