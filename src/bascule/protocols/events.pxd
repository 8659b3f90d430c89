# C layout of the events; the engine makes one for each request, so their attributes are plain struct members.

cdef class Request:
    cdef public str method
    cdef public bytes target
    cdef public bytes path
    cdef public bytes query
    cdef public str http_version
    cdef public list fields
    cdef public str scheme
    cdef public long long content_length
    cdef public bint ended
    cdef public bint expects_continue
    cdef public int stream_id

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
    cdef public int stream_id
