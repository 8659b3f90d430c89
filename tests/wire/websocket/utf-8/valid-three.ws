why = "RFC 3629 section 3: the ends of what UTF-8 can say."
events = [['text', '\xe0\xa0\x80\xef\xbf\xbf'], ['lost']]
---
\x81\x86\0\0\0\0\xe0\xa0\x80\xef\xbf\xbf
