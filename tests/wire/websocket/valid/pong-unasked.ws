why = "RFC 6455 section 5.5.3: a Pong needs no Ping."
events = [['pong', 'hi'], ['lost']]
---
\x8a\x82\0\0\0\0hi
