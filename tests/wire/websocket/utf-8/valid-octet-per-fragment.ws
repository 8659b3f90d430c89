why = "RFC 6455 section 5.6: a fragment need not be UTF-8 by itself."
events = [['text', '\xf0\x9d\x84\x9e\xe2\x82\xac'], ['lost']]
---
\x01\x81\0\0\0\0\xf0
\0\x81\0\0\0\0\x9d
\0\x81\0\0\0\0\x84
\0\x81\0\0\0\0\x9e
\0\x81\0\0\0\0\xe2
\0\x81\0\0\0\0\x82
\x80\x81\0\0\0\0\xac
