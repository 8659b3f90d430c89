cdef class ThreadPool:
    cdef public int limit
    cdef public object loop
    cdef public object calls
    cdef public object posted
    cdef public list threads
    cdef bint wake_up_due

    cpdef submit(self, object call, int running)
    cdef add_thread(self)
    cpdef post(self, object call)
    cpdef close(self)
