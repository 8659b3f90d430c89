import cython

from bascule.connections.request_carrier cimport RequestCarrier
from bascule.connections.hub cimport Hub
from bascule.connections.transport cimport ManagedTransport
from bascule.interfaces.endpoint cimport Endpoint
from bascule.interfaces.exchange cimport Exchange
from bascule.protocols.events cimport BodyData, BodyEnd, Refused, Request
from bascule.protocols.http1.engine cimport Http1Engine

cdef int CLOSING
cdef int LINGERING

cdef class Http1Connection(RequestCarrier):
    cdef public Http1Engine engine
    cdef public ManagedTransport transport
    cdef Exchange unstarted
    cdef bint pumping
    cdef int left
    cdef bint held
    cdef object file

    @cython.locals(transport=ManagedTransport)
    cpdef data_received(self, bytes data)
    @cython.locals(engine=Http1Engine, transport=ManagedTransport, left=int)
    cdef pump(self)
    cdef put_off(self, Exchange exchange)
    @cython.locals(exchange=Exchange)
    cdef start_exchange(self)
    @cython.locals(exchange=Exchange)
    cdef take(self, object event)
    @cython.locals(hub=Hub, transport=ManagedTransport)
    cdef rest(self)
    cdef send_file_content(self, bytes prefix, bytes data, bint end)
    cpdef file_sent(self, long long count, bint end)
    cdef ManagedTransport release(self)
    @cython.locals(engine=Http1Engine, transport=ManagedTransport)
    cdef complete(self)
    @cython.locals(engine=Http1Engine, started=bint)
    cdef bint has_responded(self) except -1
    @cython.locals(engine=Http1Engine)
    cdef send_refusal(self, int status, list fields, bytes body)
    cdef cut_short(self)
    cdef linger(self)
    @cython.locals(transport=ManagedTransport, waits=bint)
    cdef regulate_reading(self)
    @cython.locals(hub=Hub, transport=ManagedTransport)
    cpdef drain(self)
    @cython.locals(transport=ManagedTransport, phase=int)
    cpdef tick(self, double now)
    @cython.locals(transport=ManagedTransport)
    cdef tick_idle(self, double now)
    cdef expire(self)
    cdef bint is_body_awaited(self) except -1
    cdef bint is_body_held(self) except -1
    cdef probe(self, Exchange exchange)
    cdef check_writes(self, double now)
