why = "RFC 6455 section 8.1: also when it was compressed."
offer = 'permessage-deflate'
events = [['failed', 1007, 'UTF-8']]
---
\xc1\x86\0\0\0\0\xca\xcfV\xf8\x0f\0
