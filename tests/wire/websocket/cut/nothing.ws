why = "RFC 6455 section 7.1.5: a connection that ends without Close is 1006."
events = [['lost']]
---
