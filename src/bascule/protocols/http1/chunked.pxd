import cython

cdef class ChunkedDecoder:
    cdef public object limits
    cdef public str header_map
    cdef public int phase
    cdef public list pieces
    cdef public long long remaining
    cdef public long long total
    cdef public list trailers
    cdef public bint cut_short

    cpdef bytes take(self)
    @cython.locals(before=Py_ssize_t, left=int)
    cpdef Py_ssize_t decode(self, bytes data, Py_ssize_t at) except? -1
    @cython.locals(end=Py_ssize_t, longest=Py_ssize_t)
    cdef Py_ssize_t read_size(self, bytes data, Py_ssize_t at) except? -1
    cdef count(self, object size)
    @cython.locals(there=Py_ssize_t, size=Py_ssize_t)
    cdef Py_ssize_t read_data(self, bytes data, Py_ssize_t at) except? -1
    cdef Py_ssize_t read_terminator(self, bytes data, Py_ssize_t at) except? -1
    @cython.locals(end=Py_ssize_t)
    cdef Py_ssize_t read_trailer(self, bytes data, Py_ssize_t at) except? -1
    cdef read_trailer_field(self, bytes line)
