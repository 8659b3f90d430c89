import cython

from bascule.interfaces.exchange cimport Carrier, Endpoint, Exchange, Interface
from bascule.protocols.events cimport Request

cdef class ReadyAwaitable:
    pass

cdef ReadyAwaitable READY

cdef class Waiting:
    cdef AsgiExchange exchange
    cdef bint finished
    cdef object future

    cdef attempt(self)
    cdef advance(self)

cdef class Receive(Waiting):
    pass

cdef class Drained(Waiting):
    pass

cdef class AsgiExchange(Exchange):
    cdef AsgiInterface interface
    cdef public int state
    cdef int status
    cdef list fields
    cdef list response_trailers
    cdef bint trailers_follow
    cdef bint end_told
    cdef list waiters
    cdef object task

    cdef judge_return(self)
    cdef fail(self, str what, object error)
    cdef next_message(self)
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
    cdef wait(self)
    cdef bint is_congested(self) except -1

cdef class AsgiInterface(Interface):
    cdef public object app
    cdef public object loop
    cdef public str root_path
    cdef public object state
    cdef public set tasks
    cdef object eager
    cdef public object step
    cdef public object context
    cdef public object base_context

    cdef begin_task(self, AsgiExchange exchange)
    @cython.locals(endpoint=Endpoint, raw_path=bytes)
    cpdef scope(self, Request request, Carrier carrier)
