why = "RFC 6455 section 5.3: each frame has its own key."
events = [['text', 'abcdefgh'], ['text', 'ij'], ['lost']]
---
\x01\x83\x01\x02\x04\x08``g
\x80\x85\x80@ \x10\xe4%Fw\xe8
\x81\x82\x11"3DxH
