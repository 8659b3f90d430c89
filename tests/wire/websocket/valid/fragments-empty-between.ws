why = "RFC 6455 section 5.4: an empty fragment changes nothing."
events = [['text', 'ab'], ['lost']]
---
\x01\x81\0\0\0\0a
\0\x80\0\0\0\0
\0\x81\0\0\0\0b
\x80\x80\0\0\0\0
