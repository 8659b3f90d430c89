why = "16 MiB and one byte."
events = [['failed', 1009, '16777216']]
---
\x82\xff\0\0\0\0\x01\0\0\x01\0\0\0\0
