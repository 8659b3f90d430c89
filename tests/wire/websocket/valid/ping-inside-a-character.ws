why = "RFC 6455 section 5.4: also where the fragments part a character."
events = [['ping', ''], ['text', '\xe2\x82\xac'], ['lost']]
---
\x01\x81\0\0\0\0\xe2
\x89\x80\0\0\0\0
\x80\x82\0\0\0\0\x82\xac
