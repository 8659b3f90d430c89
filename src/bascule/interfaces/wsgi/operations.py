"""The operations that the thread of a WSGI call posts to the loop.

Each is a tuple on the outbox of its call: one of these numbers, then the arguments.

    RESPOND    status, reason, fields, body, whether the response ends
    SEND       a piece of the body, whether the response ends
    SEND_FILE  file, offset, count
    INFORM     the fields of 103 (Early Hints)
    READ_ON    none: the application has read the body that was waiting
    ABORT      none: the client is to see that the response is incomplete
    FAIL       none: the application will not complete the response
    RETURNED   none: the application has returned
    SHED       none: the request has waited too long to be run
    PARK       none: the call waits until its client has taken other responses

From ACCEPT on they are those of WebSockets:

    ACCEPT     subprotocol, fields
    TEXT       the text
    BINARY     the bytes
    PING       the payload
    CLOSE      code, reason
    CONCLUDE   none: the client's Close frame may be answered
    PROCEED    none: the application has read the messages that were waiting
    TUNNEL     a socket: the application uses the connection itself

Rejected: an enum. Its members are objects; compiled code compares the numbers as C integers.
"""

RESPOND = 0
SEND = 1
SEND_FILE = 2
INFORM = 3
READ_ON = 4
ABORT = 5
RETURNED = 6
SHED = 7
PARK = 8
FAIL = 9

ACCEPT = 10
TEXT = 11
BINARY = 12
PING = 13
CLOSE = 14
CONCLUDE = 15
PROCEED = 16
TUNNEL = 17
