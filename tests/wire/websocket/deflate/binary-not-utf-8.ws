why = "RFC 6455 section 5.6: a binary message is not checked."
offer = 'permessage-deflate'
events = [['binary', 'ok \xff'], ['lost']]
---
\xc2\x86\0\0\0\0\xca\xcfV\xf8\x0f\0
