import cython

from bascule.loop cimport syscalls
from bascule.loop.poller cimport Poller, Watched

cdef int INPUT
cdef int ROOM
cdef int HIGH_WATER
cdef int PIECES

@cython.final
cdef class PlainTransport(Watched):
    cdef Poller poller
    cdef public object protocol
    cdef int family
    cdef object peer
    cdef object own
    cdef object sock
    cdef bint reading
    cdef bint input_ended
    cdef bint output_ended
    cdef bint closing
    cdef bint ended
    cdef object error
    cdef object unsent
    cdef Py_ssize_t unsent_size
    cdef bint paused
    cdef Py_ssize_t high
    cdef Py_ssize_t low

    cdef begin(self)
    cdef read(self)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    @cython.locals(wanted=cython.uint)
    cdef watch(self)
    @cython.locals(size=Py_ssize_t, sent=Py_ssize_t)
    cpdef write(self, object data)
    @cython.locals(sent=Py_ssize_t)
    cdef flush(self)
    cdef pause_writing(self)
    cdef resume_writing(self)
    cdef tell(self, str name, object callback)
    cpdef Py_ssize_t get_write_buffer_size(self)
    cpdef bint can_write_eof(self)
    cpdef write_eof(self)
    cdef shut_down(self)
    cpdef bint is_closing(self)
    cpdef close(self)
    cpdef abort(self)
    cdef finish(self, object error)
    cdef fail(self, str name, object error)
    cdef report(self, str name, object error, object protocol)
    cdef socket_object(self)

@cython.final
cdef class PlainFactory:
    cdef public Poller poller
    cdef object sock
    cdef int fd
    cdef int family
    cdef object own

    @cython.locals(accepted=tuple)
    cpdef bint accept(self, object protocol_factory) except -1
    @cython.locals(transport=PlainTransport)
    cpdef PlainTransport make(self, object protocol_factory, int fd, object peer)
