import cython

from bascule.protocols cimport scanning
from bascule.protocols.response_fields cimport ResponseDefaults
from bascule.protocols.http2.stream cimport Stream
from bascule.protocols.response_fields cimport check_values, declared_length, known_name

cdef list STATUS_FIELDS
cdef list LENGTH_FIELDS

cdef int SPACE
cdef int PLAIN
cdef int CONTENT_LENGTH
cdef int DATE
cdef int SERVER
cdef int NOTHING
cdef int LENGTH
cdef int OPEN_ENDED
cdef long long NO_LENGTH

cdef class ResponseFields:
    cdef public ResponseDefaults defaults
    cdef bytes date_line
    cdef list date
    cdef bytes server_line
    cdef list server
    cdef bytes extra_lines
    cdef list extra

    @cython.locals(length=cython.longlong, dated=bint, served=bint, fields=list, entry=tuple,
                   kind=int, framing=int)
    cpdef list head(self, Stream stream, int status, list given, Py_ssize_t size, bint end)
    cdef int choose_framing(self, Stream stream, int status, long long length, Py_ssize_t size,
                            bint end) except -1
    @cython.locals(defaults=ResponseDefaults)
    cdef add_defaults(self, list fields, bint dated, bint served)
    cpdef list accepted(self, Stream stream, list given)
    cpdef list informational(self, Stream stream, int status, list given)
    cpdef list trailers(self, Stream stream, list given)

cpdef check_size(Stream stream, long long size, bint end)
cpdef bint count(Stream stream, Py_ssize_t size, bint end) except -1
@cython.locals(index=Py_ssize_t, field=tuple, value=bytes, size=Py_ssize_t)
cdef check_all(list fields, list given)
