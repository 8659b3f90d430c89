why = "RFC 7692 section 7.1.1.2: a reference to a message that was forgotten."
offer = 'permessage-deflate; client_no_context_takeover'
events = [['text', 'Hello'], ['failed', 1007, 'compressed']]
---
\xc1\x87\0\0\0\0\xf2H\xcd\xc9\xc9\x07\0
\xc1\x85\0\0\0\0\xf2\0\x11\0\0
