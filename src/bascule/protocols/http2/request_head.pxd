import cython

from bascule.protocols cimport scanning
from bascule.protocols.events cimport Request
from bascule.protocols.headers cimport HostCache, NameCache, parse_length

cdef HostCache HOSTS
cdef NameCache TOKENS
cdef dict KNOWN_KINDS
cdef dict TARGETS
cdef dict METHODS
cdef frozenset SCHEMES

# Compared with for every field; as numbers of C they need no look-up.
cdef int PLAIN
cdef int COOKIE_FIELD
cdef int HOST
cdef int CONTENT_LENGTH
cdef int UNDERSCORE
cdef int PROXY
cdef int FORWARDING
cdef int EXPECT
cdef int PRIORITY_FIELD
cdef int COLON
cdef int SPACE
cdef long long NO_LENGTH

cdef int learn_kind(bytes name) except -1
@cython.locals(size=Py_ssize_t)
cdef check_value(bytes value)

cdef class RequestReader:
    cdef object limits
    cdef str header_map
    cdef Py_ssize_t most_fields
    cdef bint websockets
    cdef list fields
    cdef public bytes method
    cdef bytes scheme
    cdef bytes authority
    cdef bytes path
    cdef bytes protocol
    cdef bytes host
    cdef list cookies
    cdef public bytes priority
    cdef public long long content_length
    cdef bint expects_continue
    cdef bint forwarding
    cdef public bint wants_trailers

    cdef forget(self)
    @cython.locals(kept=list, regular=bint, field=tuple, name=bytes, value=bytes, kind=int)
    cpdef Request read(self, list fields, bint ended)
    @cython.locals(before=bytes)
    cdef note_pseudo(self, bytes name, bytes value)
    cdef bint note(self, int kind, bytes name, bytes value) except -1
    @cython.locals(raw_method=bytes, method=str, target=bytes, split=tuple, request=Request)
    cdef Request finish(self, bint ended)
    cdef str other_method(self, bytes method)
    @cython.locals(authority=bytes, host=bytes)
    cdef join_authority(self)
    cdef join_cookies(self)
    cdef tuple split_target(self, bytes target, str method)
    cdef check_lengths(self, bint ended)
    cdef read_protocol(self, Request request, bytes method)
    cpdef list read_trailers(self, list fields)
