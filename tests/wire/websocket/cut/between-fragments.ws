why = "RFC 6455 section 7.1.5: nor is one without its last frame."
events = [['ping', ''], ['lost']]
---
\x01\x81\0\0\0\0a
\x89\x80\0\0\0\0
