why = "RFC 6455 section 5.7: a masked text in one frame."
events = [['text', 'Hello'], ['lost']]
---
\x81\x857\xfa!=\x7f\x9fMQX
