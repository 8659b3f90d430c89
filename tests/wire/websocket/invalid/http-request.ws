why = """\
    A second HTTP request is no frame: G is an opcode of 7 with a reserved bit, and E has no \
    mask."""
events = [['failed', 1002, 'mask']]
---
GET / HTTP/1.1\r\n
Host: a.example\r\n
\r\n
