why = "RFC 6455 section 5.6: an empty text is a message."
events = [['text', ''], ['lost']]
---
\x81\x80\0\0\0\0
