why = "RFC 6455 section 5.5.1: a code has two octets."
events = [['failed', 1002, 'one octet']]
---
\x88\x81\0\0\0\0\x03
