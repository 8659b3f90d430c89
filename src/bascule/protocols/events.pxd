# C layout of the events; the engine makes one for each request, so their attributes are plain struct members.

import cython

@cython.final
@cython.freelist(8)
cdef class Request:
    cdef public str method
    cdef public bytes target
    cdef public bytes path
    cdef public bytes query
    cdef public str http_version
    cdef public list fields
    cdef public long long content_length
    cdef public bint ended
    cdef public bint expects_continue
    cdef public int stream_id
    cdef public object websocket
    cdef public bint forwarding
    cdef public object endpoint
    cdef public str root_path

    cdef fill(self, str method, bytes target, bytes path, bytes query, str http_version, list fields,
              long long content_length, bint ended, bint expects_continue)

cdef class BodyData:
    cdef public bytes data
    cdef public int stream_id

cdef class BodyEnd:
    cdef public object trailers
    cdef public int stream_id

cdef class Closed:
    cdef public bint clean

cdef class Refused:
    cdef public int status
    cdef public str reason
    cdef public tuple fields
    cdef public int stream_id

cdef class StreamReset:
    cdef public unsigned int stream_id
    cdef public unsigned int code
    cdef public str reason
    cdef public bint by_peer

cdef class ConnectionFailed:
    cdef public unsigned int code
    cdef public str reason

cdef class Ping:
    cdef public bytes payload

cdef class Pong:
    cdef public bytes payload

cdef class PeerClosed:
    cdef public int code
    cdef public str reason

cdef class Failed:
    cdef public int code
    cdef public str reason

cdef class Lost:
    pass
