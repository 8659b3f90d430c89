why = "RFC 6455 section 5.5: the longest control frame."
events = [['ping', '\{125:p}'], ['lost']]
---
\x89\xfd\0\0\0\0\{125:p}
