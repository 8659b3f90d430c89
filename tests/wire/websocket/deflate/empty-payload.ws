why = "An empty message without its one byte leaves no trace in the next."
offer = 'permessage-deflate; client_no_context_takeover'
events = [['text', ''], ['text', 'Hello'], ['lost']]
---
\xc1\x80\0\0\0\0
\xc1\x87\0\0\0\0\xf2H\xcd\xc9\xc9\x07\0
