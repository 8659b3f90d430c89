why = "RFC 6455 section 5.1: every frame is masked."
events = [['failed', 1002, 'mask']]
---
\x01\x81\0\0\0\0a
\x80\x01b
