from bascule.loop cimport page_cache

cdef class KernelCopy:
    cdef object loop
    cdef int out
    cdef object progress
    cdef int source
    cdef object transport
