cdef class Part:
    cdef readonly long long start
    cdef readonly long long size

    cpdef bytes content_range(self, long long complete)

cpdef list parse_range(bytes value, long long size)
