import cython

from bascule.protocols.events cimport Request
from bascule.protocols.headers cimport HostCache, NameCache, parse_length

cdef NameCache REQUEST_NAMES
cdef HostCache HOSTS
cdef dict METHODS

cdef class HeadReader:
    cdef public object limits
    cdef public str header_map
    cdef Py_ssize_t longest_line
    cdef Py_ssize_t most_fields
    cdef object parser
    cdef list fields
    cdef int seen_fields
    cdef bint forwarding
    cdef object refusal
    cdef bytes host
    cdef public long long content_length
    cdef public bint chunked
    cdef public bint expects_continue
    cdef bint closing
    cdef bint persistent
    cdef bint parser_spent
    cdef public bint keep_alive
    cdef public bytes upgrade
    cdef public bint version_1_1
    cdef bint websockets

    cpdef forget(self)
    @cython.locals(line_end=Py_ssize_t, line=bytes, parts=list, method=str)
    cpdef Request read(self, bytes head)
    cdef str read_method(self, bytes method)
    cdef bint read_version(self, bytes version) except -1
    cdef read_fields(self, bytes head)
    @cython.locals(entry=tuple, kind=int)
    cpdef on_header(self, bytes name, bytes value)
    cdef bint note(self, int kind, bytes value) except -1
    cdef note_connection(self, bytes value)
    cdef note_length(self, bytes value)
    cdef note_transfer_encoding(self, bytes value)
    cdef bint note_underscore(self) except -1
    cdef refuse(self, int status, str reason)
    @cython.locals(ended=bint, path=bytes, query=bytes, request=Request)
    cdef Request finish(self, str method, bytes target)
    cdef read_upgrade(self, Request request)
    cdef check_host(self)
    cdef check_body_size(self)
    cdef bytes read_other_form(self, str method, bytes target)
    cdef replace_host(self, bytes authority)
    cdef explain(self, object error, bytes head)
