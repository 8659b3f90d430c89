why = "RFC 6455 section 5.3: masked after it was compressed."
offer = 'permessage-deflate'
events = [['text', 'Hello'], ['lost']]
---
\xc1\x877\xfa!=\xc5\xb2\xec\xf4\xfe\xfd!
