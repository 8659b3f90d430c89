why = "RFC 6455 section 5.6: an empty binary message is a message."
events = [['binary', ''], ['lost']]
---
\x82\x80\0\0\0\0
