import cython

from bascule.protocols.http1 cimport writing
from bascule.protocols.response_fields cimport ResponseDefaults, check_reason, declared_length

cdef int CHUNKED
cdef int CONNECTION
cdef int CONTENT_LENGTH
cdef int COPIED_BODY
cdef int DATE
cdef int HOP_BY_HOP
cdef int LENGTH
cdef int NOTHING
cdef int NO_LENGTH
cdef int PLAIN
cdef int SERVER
cdef list STATUS_LINES
cdef int TRANSFER_ENCODING
cdef int UNTIL_CLOSE
cdef int UPGRADE

cdef class ResponseWriter:
    cdef public ResponseDefaults defaults
    cdef public bint head_only
    cdef public bint http_1_0
    cdef public bint keep_alive
    cdef public bint started
    cdef public bint complete
    cdef public bint dropped_body
    cdef public int framing
    cdef public long long remaining
    cdef public bytes unsent

    cpdef begin(self, bint head_only, bint http_1_0, bint keep_alive)
    @cython.locals(buffer=bytearray, at=Py_ssize_t, kind=int)
    cpdef bytes informational(self, int status, list fields)
    @cython.locals(defaults=ResponseDefaults, date=bytes, server=bytes, buffer=bytearray, at=Py_ssize_t,
                   kind=int)
    cpdef bytes switching(self, list fields)
    @cython.locals(length=cython.longlong, keep_alive=bint, defaults=ResponseDefaults, date=bytes, server=bytes,
                   buffer=bytearray, at=Py_ssize_t, kind=int, size=Py_ssize_t, framing=int, first=bytes)
    cpdef bytes head(self, int status, bytes reason, list fields, bytes body, bint end)
    cdef long long announced_length(self, int status, long long length, Py_ssize_t size, bint end) except -2
    cdef int choose_framing(self, int status, long long length) except -1
    @cython.locals(framing=int)
    cpdef bytes data(self, bytes data, bint end)
    cpdef count(self, long long size, bint end)
    cpdef bytes file_prefix(self, long long size, bint end)
    cpdef bytes file_suffix(self, long long size, bint end)
    @cython.locals(buffer=bytearray, at=Py_ssize_t)
    cpdef bytes trailers(self, list fields, bint wanted=*)
    cdef bint has_body(self) except -1
    cdef bint ends_with_connection(self) except -1

@cython.locals(line=bytes)
cdef bytes status_line(int status, bytes reason)
@cython.locals(buffer=bytearray, at=Py_ssize_t)
cdef bytes chunk(bytes data, bint end)
