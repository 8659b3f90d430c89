why = "RFC 6455 section 8.1: text that is not UTF-8 fails the connection."
events = [['failed', 1007, 'UTF-8']]
---
\x81\x86\0\0\0\0ok \xf0\x9d\x84
