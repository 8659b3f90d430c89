import cython

from bascule.interfaces.asgi.call cimport AsgiCall
from bascule.interfaces.asgi.awaitables cimport DrainAwaitable, ReadyAwaitable, ReceiveAwaitable, YieldAwaitable
from bascule.interfaces.exchange cimport Carrier, Exchange
from bascule.protocols.events cimport Request

cdef class AsgiExchange(AsgiCall):
    cdef public int state
    cdef int status
    cdef list fields
    cdef list response_trailers
    cdef bint trailers_follow
    cdef bint end_told
    cdef bint listening
    cdef bint deserted
    cdef int dropped
    cdef bint has_sent
    cdef bint stop_due
    cdef bint stop_told
    cdef double unheard_since
    cdef double quiet_since

    cdef set_deserted(self, bint deserted)
    cdef send_to_nobody(self, object kind, object message)
    cdef bint should_end(self) except -1
    cdef double quiet_time(self) except -1
    cdef bint is_event_stream(self) except -1
    cdef end_for_stop(self)
    cdef keep_head(self, object message)
    @cython.locals(more=bint, end=bint)
    cdef send_body(self, object message)
    cdef carrier_respond(self, bytes body, bint end)
    cdef drop_body(self)
    cdef carrier_send(self, bytes body, bint end)
    cdef send_other(self, object kind, object message)
    cdef send_trailers(self, object message)
    cdef send_path(self, object message)
    cdef announce(self, object size)
    cdef send_zerocopy(self, object message)
    cdef carrier_send_file(self, object file, long long offset, long long count, bint more)
