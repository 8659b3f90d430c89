why = "RFC 3629 section 3: the second byte of a surrogate gives it away."
events = [['failed', 1007, 'UTF-8']]
---
\x81\xfe\x03\xe8\0\0\0\0ok\xed\xa0
