import cython

from bascule.protocols.response_fields cimport (
    ResponseDefaults,
    check_reason,
    check_values,
    declared_length,
    kind_of,
)

cdef dict STATUS_LINES
cdef list LENGTH_LINES
cdef bytes CONTROLS

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
    cpdef bytes informational(self, int status, list fields)
    @cython.locals(lines=list, kind=int, date=bytes, server=bytes, block=bytes)
    cpdef bytes switching(self, list fields)
    @cython.locals(lines=list, length=cython.longlong, count=Py_ssize_t, keep_alive=bint, kind=int, date=bytes,
                   server=bytes, block=bytes)
    cpdef bytes head(self, int status, bytes reason, list fields, bytes body, bint end)
    @cython.locals(entry=tuple)
    @cython.locals(framing=int, length_line=bytes, remaining=cython.longlong, connection=bytes, head=tuple, first=bytes)
    cdef bytes frame_head(self, bytes line, bytes block, bytes own, long long length, bint keep_alive, int status,
                          bytes body, bint end)
    cdef tuple choose_framing(self, int status, long long length, Py_ssize_t size, bint end)
    cpdef bytes data(self, bytes data, bint end)
    cpdef count(self, long long size, bint end)
    cpdef bytes file_prefix(self, long long size, bint end)
    cpdef bytes file_suffix(self, long long size, bint end)
    cpdef bytes trailers(self, list fields, bint wanted=*)

cdef bytes status_line(int status, bytes reason)
cdef bytes length_line(long long length)
cdef bytes chunk(bytes data, bint end)
cdef check_block(bytes block, Py_ssize_t lines, list fields)
