why = "RFC 6455 section 5.4: fragments may be empty, all of them."
events = [['text', ''], ['binary', ''], ['lost']]
---
\x01\x80\0\0\0\0
\0\x80\0\0\0\0
\x80\x80\0\0\0\0
\x02\x80\0\0\0\0
\x80\x80\0\0\0\0
