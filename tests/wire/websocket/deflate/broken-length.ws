why = "RFC 1951 section 3.2.4: a stored block whose length and complement differ."
offer = 'permessage-deflate'
events = [['failed', 1007, 'compressed']]
---
\xc1\x8a\0\0\0\0\0\x05\0\0\0Hello
