import cython

from bascule.connections.hub cimport Hub
from bascule.connections.write_watch cimport WriteWatch
from bascule.interfaces.endpoint cimport Endpoint

@cython.final
cdef class ManagedTransport:
    cdef public Hub hub
    cdef public object raw
    cdef public Endpoint endpoint
    cdef public int phase
    cdef public double deadline
    cdef public double finished_at
    cdef public bint reading_paused
    cdef public bint sending_ended
    cdef public bint writing_paused
    cdef public bint turn_due
    cdef public bint counts
    cdef double linger_ends
    cdef WriteWatch writes

    cpdef write(self, object data)
    cpdef bint is_closing(self) except -1
    cpdef Py_ssize_t unwritten(self) except -1
    cpdef Py_ssize_t undelivered(self) except -1
    cpdef watch_writes(self)
    cpdef bint is_write_stalled(self, double now, double patience, bint copying=*) except -1
    cpdef bint is_stalled(
        self, Py_ssize_t size, double now, double patience, bint copying=*
    ) except -1
    cpdef give_up(self)
    cpdef regulate_reading(self, bint hold)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    cpdef take_turn_soon(self, object proceed)
    cpdef begin_turn(self)
    cpdef end_sending(self)
    cpdef close(self)
    cpdef flush(self)
    @cython.locals(can_finish=bint, hub=Hub)
    cpdef linger(self, bint announced)
    @cython.locals(hub=Hub)
    cpdef receive_late(self)
    @cython.locals(hub=Hub, size=Py_ssize_t)
    cpdef tick(self, double now)
    cpdef abort(self)
    cpdef lose(self)
    @cython.locals(successor=ManagedTransport)
    cpdef ManagedTransport release(self, Endpoint endpoint)
    cpdef pass_on(self, object connection, object successor)
