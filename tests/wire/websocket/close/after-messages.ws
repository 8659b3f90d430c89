why = "RFC 6455 section 1.4: what was sent before Close arrives."
events = [['text', 'a'], ['ping', ''], ['closed', 1001, 'bye']]
---
\x81\x81\0\0\0\0a
\x89\x80\0\0\0\0
\x88\x85\0\0\0\0\x03\xe9bye
