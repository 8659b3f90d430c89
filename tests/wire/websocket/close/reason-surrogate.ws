why = "RFC 3629 section 3: surrogates are no characters."
events = [['failed', 1007, 'UTF-8']]
---
\x88\x85\0\0\0\0\x03\xe8\xed\xa0\x80
