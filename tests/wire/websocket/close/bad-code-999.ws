why = "RFC 6455 section 7.4: a code that is never in a frame."
events = [['failed', 1002, 'code 999']]
---
\x88\x82\0\0\0\0\x03\xe7
