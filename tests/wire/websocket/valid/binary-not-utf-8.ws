why = "RFC 6455 section 5.6: a binary message is not checked."
events = [['binary', '\xff\xc0\xed\xa0\x80'], ['lost']]
---
\x82\x85\0\0\0\0\xff\xc0\xed\xa0\x80
