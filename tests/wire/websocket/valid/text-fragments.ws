why = "RFC 6455 section 5.7: the same in two frames."
events = [['text', 'Hello'], ['lost']]
---
\x01\x837\xfa!=\x7f\x9fM
\x80\x82\x01\x02\x03\x04mm
