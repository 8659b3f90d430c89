import cython

from bascule.protocols cimport scanning
from bascule.protocols.events cimport Request
from bascule.protocols.headers cimport HostCache, NameCache, parse_length

cdef bint COMPILED
cdef NameCache REQUEST_NAMES
cdef HostCache HOSTS
cdef dict METHODS
cdef list NAMES
cdef list LINES
cdef unsigned char[256] TARGET_BYTES
cdef unsigned char[256] TOKEN_BYTES
# Compared with for every byte or line; as numbers of C they need no look-up.
cdef int PLAIN
cdef int CONTENT_LENGTH
cdef int TRANSFER_ENCODING
cdef int CONNECTION
cdef int HOST
cdef int EXPECT
cdef int UPGRADE
cdef int UNDERSCORE
cdef int PROXY
cdef int FORWARDING
cdef long long NO_LENGTH
cdef int TAB
cdef int LINE_FEED
cdef int CARRIAGE_RETURN
cdef int SPACE
cdef int COLON
cdef int SLASH
cdef int VISIBLE
cdef int QUESTION
cdef int FRAGMENT
cdef int CLOSE
cdef int KEEP_ALIVE
cdef int LONGEST_LINE_REMEMBERED

@cython.final
cdef class FieldName:
    cdef bytes text
    cdef Py_ssize_t size
    cdef bytes lower
    cdef int kind
    cdef bint repeated

@cython.final
cdef class FieldLine:
    cdef bytes text
    cdef Py_ssize_t size
    cdef tuple field
    cdef int kind
    cdef int options

cdef int connection_options(bytes value) except -1

cdef class HeadReader:
    cdef public object limits
    cdef public str header_map
    cdef Py_ssize_t longest_line
    cdef Py_ssize_t most_fields
    cdef list fields
    cdef bint forwarding
    cdef bytes host
    cdef public Py_ssize_t end
    cdef public long long content_length
    cdef public bint chunked
    cdef public bint expects_continue
    cdef int options
    cdef public bint keep_alive
    cdef public bytes upgrade
    cdef public bint version_1_1
    cdef bint websockets

    cdef forget(self)
    cpdef Request read(self, bytes head, Py_ssize_t start=*)
    @cython.locals(data="const unsigned char*", at=Py_ssize_t, method_end=Py_ssize_t, target_start=Py_ssize_t,
                   target_end=Py_ssize_t, question=Py_ssize_t, has_fragment=bint, sort=int, minor=int, method=str,
                   target=bytes, path=bytes, query=bytes, count=Py_ssize_t)
    cpdef Request walk(self, bytes head, Py_ssize_t start)
    @cython.locals(data="const unsigned char*", at=Py_ssize_t, size=Py_ssize_t, stop=Py_ssize_t, length=Py_ssize_t,
                   fields=list, count=Py_ssize_t, line=FieldLine, kind=int)
    cdef Py_ssize_t walk_fields(self, bytes head, Py_ssize_t start) except -1
    @cython.locals(data="const unsigned char*", at=Py_ssize_t, end=Py_ssize_t, colon=Py_ssize_t, size=Py_ssize_t,
                   name=FieldName, value=bytes, field=tuple, kind=int)
    cdef walk_field(self, bytes head, Py_ssize_t start, Py_ssize_t stop, bint first)
    cpdef Request match(self, bytes head, Py_ssize_t start)
    cdef str read_method(self, bytes method)
    cdef bint note(self, int kind, bytes value) except -1
    cdef note_length(self, bytes value)
    cdef note_transfer_encoding(self, bytes value)
    cdef bint note_underscore(self) except -1
    @cython.locals(ended=bint, request=Request, options=int)
    cdef Request finish(self, str method, bytes target, bytes path, bytes query, bint has_fragment, Py_ssize_t count)
    cdef read_upgrade(self, Request request)
    cdef check_host(self)
    cdef check_body_size(self)
    cdef bytes read_other_form(self, str method, bytes target)
    cdef replace_host(self, bytes authority)
    cdef line_fault(self, bytes head, Py_ssize_t start)

@cython.locals(entry=tuple, name=FieldName)
cdef FieldName learn_name(bytes text)
cdef field_fault(bytes head, Py_ssize_t start, bint first)
