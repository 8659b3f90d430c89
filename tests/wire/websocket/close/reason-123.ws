why = "RFC 6455 section 5.5: the longest reason."
events = [['closed', 1000, '\{123:r}']]
---
\x88\xfd\0\0\0\0\x03\xe8\{123:r}
