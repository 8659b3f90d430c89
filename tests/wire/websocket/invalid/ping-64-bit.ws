why = "RFC 6455 section 5.5: refused by its header; nobody waits for the payload."
events = [['failed', 1002, '125']]
---
\x89\xff\0\0\0\0\0\x01\0\0\0\0\0\0
