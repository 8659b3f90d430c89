import cython

from bascule.protocols.headers cimport NameCache, parse_length

cdef int NO_LENGTH
cdef NameCache RESPONSE_NAMES

cdef class ResponseDefaults:
    cdef public bytes date
    cdef public bytes server
    cdef public bytes extra

cpdef int kind_of(object name, object value) except -1
@cython.locals(entry=tuple)
cpdef tuple known_name(object name, object value)
cpdef check_values(list fields)
cpdef check_field(object name, object value)
cpdef check_reason(bytes reason)
@cython.locals(length=cython.longlong)
cpdef long long declared_length(bytes value, long long before) except? -1
