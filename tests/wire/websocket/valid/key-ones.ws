why = "RFC 6455 section 5.3: any key is a key."
events = [['text', 'Hello'], ['lost']]
---
\x81\x85\xff\xff\xff\xff\xb7\x9a\x93\x93\x90
