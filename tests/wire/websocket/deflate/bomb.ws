why = "CWE-409: two megabytes in two kilobytes."
offer = 'permessage-deflate'
limits = { message = 100000 }
events = [['failed', 1009, 'message longer than 100000 bytes']]
---
\xc2\xfe\x07\xa2\0\0\0\0
\xec\xc1\x01\x01\0\0\0\x82 \xff\xafnH@\x01\{1937:\0}o\x06
