why = "RFC 6455 section 5.4: control frames may stand between fragments."
events = [['ping', '1'], ['pong', '2'], ['text', 'ab'], ['lost']]
---
\x01\x81\0\0\0\0a
\x89\x81\0\0\0\01
\x8a\x81\0\0\0\02
\x80\x81\0\0\0\0b
