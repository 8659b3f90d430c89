import cython

from bascule.interfaces.asgi_call cimport AsgiCall, AsgiCaller, Drained, ReadyAwaitable, Receive
from bascule.interfaces.exchange cimport Carrier
from bascule.protocols.events cimport Request

cdef class AsgiExchange(AsgiCall):
    cdef public int state
    cdef int status
    cdef list fields
    cdef list response_trailers
    cdef bint trailers_follow
    cdef bint end_told

    cdef keep_head(self, object message)
    @cython.locals(more=bint, end=bint)
    cdef send_body(self, object message)
    cdef carrier_respond(self, bytes body, bint end)
    cdef carrier_send(self, bytes body, bint end)
    cdef send_other(self, object kind, object message)
    cdef send_trailers(self, object message)
    cdef send_path(self, object message)
    cdef announce(self, object size)
    cdef send_zerocopy(self, object message)

cdef class AsgiInterface(AsgiCaller):
    pass
