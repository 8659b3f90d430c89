import cython

from bascule.connections.hub cimport Hub
from bascule.connections.stall cimport StallWatch
from bascule.interfaces.endpoint cimport Endpoint
from bascule.interfaces.exchange cimport Carrier, Exchange
from bascule.protocols.events cimport BodyData, BodyEnd, Refused, Request
from bascule.protocols.http1.engine cimport Http1Engine

cdef class Http1Connection(Carrier):
    cdef public Hub hub
    cdef object access
    cdef public Http1Engine engine
    cdef object transport
    cdef public Exchange exchange
    cdef Exchange unstarted
    cdef bint pumping
    cdef public bint turn_due
    cdef int left
    cdef bint reading_paused
    cdef bint held
    cdef double linger_ends
    cdef bint writing_paused
    cdef public int phase
    cdef public double deadline
    cdef double finished_at
    cdef double body_since
    cdef double started_at
    cdef double expires_at
    cdef long long body_octets
    cdef StallWatch writes
    cdef long long octets
    cdef int status
    cdef object proxied
    cdef object file_task
    cdef object drained
    cdef bytes early

    cpdef data_received(self, bytes data)
    @cython.locals(hub=Hub)
    cdef receive_late(self)
    cdef bytes first_octets(self, bytes data)
    cdef become_http2(self, bytes data)
    @cython.locals(engine=Http1Engine, left=int)
    cdef pump(self)
    @cython.locals(exchange=Exchange)
    cdef start_exchange(self)
    cdef take_turn_soon(self)
    @cython.locals(hub=Hub, exchange=Exchange)
    cdef begin(self, Request request)
    @cython.locals(exchange=Exchange)
    cdef take(self, object event)
    @cython.locals(engine=Http1Engine, exchange=Exchange)
    cdef refuse(self, int status, str reason, tuple fields=*)
    @cython.locals(hub=Hub)
    cdef rest(self)
    cdef send_small_file(self, object file, object offset, object count, bint end, bytes prefix)
    cdef file_changed(self, object missing)
    @cython.locals(engine=Http1Engine, exchange=Exchange)
    cdef complete(self)
    @cython.locals(request=Request)
    cdef record(self, int status, double waited=*)
    cpdef close(self)
    cdef linger(self)
    cdef Endpoint ends(self)
    @cython.locals(waits=bint)
    cdef regulate_reading(self)
    cdef pause_reading(self)
    cdef resume_reading(self)
    cpdef drain(self)
    cpdef tick(self, double now)
    cdef tick_idle(self, double now)
    cdef expire(self)
    cdef tick_busy(self, double now)
    cdef check_age(self, Exchange exchange, double now)
    cdef check_body_rate(self, double now)
    cdef watch_writes(self)
    cdef check_writes(self, double now)
