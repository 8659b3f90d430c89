why = "RFC 6455 section 5.5.2: application data of a Ping is any bytes."
events = [['ping', '\xff'], ['pong', '\xfe'], ['lost']]
---
\x89\x81\0\0\0\0\xff
\x8a\x81\0\0\0\0\xfe
