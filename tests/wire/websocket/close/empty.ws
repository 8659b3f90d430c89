why = "RFC 6455 section 5.5.1: a Close frame may be empty; 1005 stands for that."
events = [['closed', 1005, '']]
---
\x88\x80\0\0\0\0
