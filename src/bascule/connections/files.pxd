import cython

from bascule.loop cimport page_cache

cdef class FilePieces:
    cdef object file
    cdef long long offset
    cdef readonly long long missing
    cdef readonly bint fetching
    cdef bint closed

    cpdef bytes read(self)
    cdef bytes take(self, bytes data)
    cpdef close(self)

cdef class FileCopy:
    cdef object connection
    cdef object transport
    cdef object file
    cdef long long offset
    cdef long long count
    cdef bint end
    cdef object drained
    cdef object task

cpdef bytes read_small(object file, long long offset, long long count)
