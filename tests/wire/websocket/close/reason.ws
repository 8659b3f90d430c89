why = "RFC 6455 section 5.5.1: a reason in UTF-8."
events = [['closed', 1000, 'gr\xc3\xbc\xc3\x9fe']]
---
\x88\x89\0\0\0\0\x03\xe8gr\xc3\xbc\xc3\x9fe
