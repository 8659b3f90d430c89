import cython

cdef long long LARGEST_WINDOW

cdef class ReceiveWindow:
    cdef public long long left
    cdef public long long size
    cdef public long long most
    cdef public long long owed
    cdef public long long turned

    cpdef bint take(self, long long size)
    @cython.locals(increment=cython.longlong, wider=cython.longlong)
    cpdef long long consume(self, long long size)
