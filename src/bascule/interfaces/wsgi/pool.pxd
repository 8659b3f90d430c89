cdef class PoolThread:
    cdef public object ident
    cdef public str name
    cdef public object call

cdef class ThreadPool:
    cdef public int limit
    cdef public object loop
    cdef public str name
    cdef public object calls
    cdef public list idle
    cdef public list threads
    cdef public list pool_threads
    cdef public object growing
    cdef public object posted
    cdef public long long posted_bytes
    cdef public bint closed
    cdef bint submitted
    cdef bint waking
    cdef bint wake_up_due

    cpdef submit(self, object call)
    cpdef bint withdraw(self, object call) except -1
    cpdef wake_one(self)
    cdef grow(self)
    cdef stay_small(self, object error)
    cdef take_calls(self, PoolThread thread)
    cdef let_loop_catch_up(self)
    cdef bint leave_idle(self, object gate) except -1
    cpdef post(self, object call)
    cpdef close(self)

cdef report(PoolThread thread, object error)
