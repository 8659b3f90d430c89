import cython

from bascule.loop cimport syscalls

cdef class Watched:
    cdef public int fd
    cdef public unsigned int events

    cdef ready(self, unsigned int events)
    cdef end(self)

@cython.final
cdef class Poller:
    cdef public object loop
    cdef public object epoll
    cdef public int fd
    cdef public bint held
    cdef public list watched
    cdef public Py_ssize_t count
    cdef public list ended
    cdef public bint end_due
    cdef public bint running

    cpdef open(self)
    cpdef close_unused(self)
    @cython.locals(fd=int)
    cpdef add(self, Watched watched, unsigned int events)
    @cython.locals(before=cython.uint)
    cpdef change(self, Watched watched, unsigned int events)
    cpdef end_soon(self, Watched watched)
    @cython.locals(event=cython.longlong, watched=Watched)
    cpdef run(self)
    @cython.locals(ended=list, watched=Watched)
    cpdef end(self)
