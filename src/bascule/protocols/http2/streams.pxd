import cython

from bascule.protocols.http2.budget cimport PeerBudget
from bascule.protocols.http2.flow cimport ReceiveWindow
from bascule.protocols.http2.frames cimport add_rst_stream, add_window_update
from bascule.protocols.http2.outbox cimport Outbox
from bascule.protocols.http2.stream cimport Stream

@cython.final
cdef class StreamTable:
    cdef public object limits
    cdef long long discard_limit
    cdef Py_ssize_t most
    cdef Outbox outbox
    cdef PeerBudget budget
    cdef public dict open
    cdef public dict answered
    cdef public dict reset_here
    cdef public dict early_priorities
    cdef public unsigned int last_id
    cdef public unsigned int seen_id
    cdef public long long initial_window
    cdef public ReceiveWindow window
    cdef ReceiveWindow no_window
    cdef public double age
    cdef public bint draining
    cdef public bint drain_acked
    cdef public bint failed

    @cython.locals(window=ReceiveWindow, stream=Stream)
    cpdef Stream open_stream(self, unsigned int stream_id, bint ended)
    cpdef set_priority(self, Stream stream, bytes value)
    @cython.locals(stream=Stream, priority=tuple)
    cpdef update_priority(self, unsigned int stream_id, bytes value)
    @cython.locals(increment=cython.longlong)
    cpdef consume(self, Stream stream, long long size)
    @cython.locals(increment=cython.longlong)
    cpdef open_window(self, long long size)
    cpdef discard(self, Stream stream, Py_ssize_t size)
    @cython.locals(stream=Stream)
    cpdef take_window_update(self, unsigned int stream_id, long long increment)
    @cython.locals(stream=Stream, difference=cython.longlong)
    cpdef change_initial_window(self, long long size)
    cpdef end_local(self, Stream stream)
    cdef await_end(self, Stream stream)
    cpdef end_remote(self, Stream stream)
    @cython.locals(stream=Stream, in_all=double)
    cdef end_requests(self)
    @cython.locals(stream=Stream)
    cpdef take_reset(self, unsigned int stream_id, unsigned int code)
    @cython.locals(stream=Stream)
    cpdef reset(self, unsigned int stream_id, unsigned int code)
    cpdef close(self, Stream stream)
    cpdef check_closed(self, unsigned int stream_id)
    cpdef replenish(self, double seconds)
    cpdef drain(self)
    cpdef finish_drain(self)
    @cython.locals(stream=Stream)
    cpdef fail(self)
