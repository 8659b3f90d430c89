import cython

@cython.final
cdef class WriteWatch:
    cdef public Py_ssize_t unwritten
    cdef public double since

    cpdef restart(self, Py_ssize_t unwritten, double now)
    cpdef bint is_stalled(
        self, bint busy, Py_ssize_t unwritten, double now, double patience
    ) except -1
