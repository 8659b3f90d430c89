why = "RFC 6455 section 5.4: the message was complete."
events = [['text', 'ab'], ['failed', 1002, 'continuation of no message']]
---
\x01\x81\0\0\0\0a
\x80\x81\0\0\0\0b
\x80\x81\0\0\0\0c
