why = "RFC 6455 section 8.1: a text ends behind a character."
events = [['failed', 1007, 'UTF-8']]
---
\x01\x81\0\0\0\0\xe2
\0\x81\0\0\0\0\x82
\x80\x80\0\0\0\0
