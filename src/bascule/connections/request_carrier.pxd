import cython

from bascule.connections.hub cimport Hub
from bascule.interfaces.endpoint cimport Endpoint
from bascule.interfaces.exchange cimport Carrier, Exchange
from bascule.protocols.events cimport Request

cdef class RequestCarrier(Carrier):
    cdef public Hub hub
    cdef public Exchange exchange
    cdef public Request request
    cdef int status
    cdef long long bytes_sent
    cdef double started_at
    cdef double expires_at
    cdef double handshake_deadline
    cdef double body_since
    cdef long long body_received

    cdef put_off(self, Exchange exchange)
    cdef bint has_responded(self) except -1
    cdef bint is_body_awaited(self) except -1
    cdef bint is_body_held(self) except -1
    cdef probe(self, Exchange exchange)
    cdef send_refusal(self, int status, list fields, bytes body)
    cdef cut_short(self)
    @cython.locals(hub=Hub, exchange=Exchange)
    cdef begin(self, Request request)
    @cython.locals(exchange=Exchange)
    cdef end(self, bint dropped_body)
    @cython.locals(exchange=Exchange)
    cdef disconnect(self)
    @cython.locals(exchange=Exchange)
    cpdef refuse(self, int status, str reason, tuple fields=*)
    @cython.locals(request=Request)
    cdef record(self, int status, double waited=*)
    @cython.locals(exchange=Exchange)
    cdef watch(self, double now, double finished_at)
    cdef watch_half_closed(self, Exchange exchange, double seconds)
    cdef expire_handshake(self, Exchange exchange)
    cdef watch_age(self, Exchange exchange, double now)
    cdef watch_body_rate(self, double now)
