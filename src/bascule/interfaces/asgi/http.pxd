import cython

from bascule.interfaces.asgi.call cimport AsgiCall
from bascule.interfaces.asgi.awaitables cimport DrainAwaitable, ReadyAwaitable, ReceiveAwaitable, YieldAwaitable
from bascule.interfaces.exchange cimport Carrier, Exchange
from bascule.protocols.events cimport Request

cdef int BEFORE_TRAILERS
cdef int BODY
cdef int BODY_END
cdef int COMPLETE
cdef int DROP
cdef int DROP_END
cdef int DROPPING
cdef int END
cdef int HEAD
cdef int HEAD_KEPT
cdef int HINT
cdef int IDLE
cdef int SENDING
cdef int TRAILERS

cdef class AsgiExchange(AsgiCall):
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
    cdef drop_message(self, object kind, object message)
    cdef bint should_end(self) except -1
    cdef double quiet_time(self) except -1
    cdef bint is_event_stream(self) except -1
    cdef end_for_stop(self)
    cdef keep_head(self, dict message)
    @cython.locals(step=int)
    cdef send_body(self, dict message)
    cdef int body_step(self, bint more) except -1
    cdef send_head(self, int step, bytes body)
    cdef drop_body(self)
    cdef send_other(self, object kind, object message)
    cdef send_trailers(self, object message)
    cdef send_path(self, object message)
    cdef announce(self, object size)
    cdef send_zerocopy(self, object message)
    @cython.locals(step=int)
    cdef send_open_file(self, object file, object offset, object count, bint more)
