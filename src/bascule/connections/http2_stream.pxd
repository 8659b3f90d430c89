import cython

from bascule.connections.hub cimport Hub
from bascule.connections.stall cimport StallWatch
from bascule.interfaces.endpoint cimport Endpoint
from bascule.interfaces.exchange cimport Carrier, Exchange
from bascule.protocols.events cimport Request
from bascule.protocols.http2.engine cimport Http2Engine
from bascule.protocols.http2.response cimport check_size
from bascule.protocols.http2.stream cimport Stream

cdef int NOTHING

cdef class StreamCarrier

cdef class StreamTransport

cdef class StreamOwner:
    cdef public Hub hub
    cdef public Http2Engine engine
    cdef public Endpoint endpoint
    cdef public bint writing_paused
    cdef public double finished_at
    cdef public list crowd

    @cython.locals(unsent=cython.longlong)
    cpdef bint holds_back(self) except -1
    @cython.locals(carrier=StreamCarrier, exchange=Exchange)
    cdef let_in(self)
    cdef leave_crowd(self, StreamCarrier carrier)
    cpdef written(self)
    cpdef completed(self, StreamCarrier carrier)
    cpdef switched(self, StreamCarrier carrier, StreamTransport transport)
    cpdef lose(self, StreamCarrier carrier)

cdef class StreamCarrier(Carrier):
    cdef StreamOwner owner
    cdef public Stream stream
    cdef public Request request
    cdef public Exchange exchange
    cdef int status
    cdef long long octets
    cdef double started_at
    cdef double expires_at
    cdef public double deadline
    cdef double body_since
    cdef long long body_octets
    cdef StallWatch writes
    cdef list early
    cdef object file
    cdef long long file_offset
    cdef long long file_missing
    cdef bint file_end

    @cython.locals(exchange=Exchange)
    cpdef receive_body(self, bytes data)
    @cython.locals(exchange=Exchange)
    cpdef proceed(self)
    @cython.locals(exchange=Exchange)
    cpdef lost(self)
    cpdef bint is_crowded(self) except -1
    @cython.locals(owner=StreamOwner)
    cdef sent(self, bint end)
    @cython.locals(stream=Stream, owner=StreamOwner, size=cython.longlong, data=bytes)
    cdef feed_file(self)
    cdef send_piece(self, bytes data, bint end)
    cdef close_file(self)
    @cython.locals(exchange=Exchange)
    cdef complete(self)
    cdef record(self, int status, double waited=*)
    @cython.locals(owner=StreamOwner, exchange=Exchange)
    cpdef tick(self, double now)
    @cython.locals(hub=Hub)
    cdef expire_handshake(self, Exchange exchange)
    @cython.locals(hub=Hub)
    cdef check_age(self, Exchange exchange, double now)
    @cython.locals(hub=Hub)
    cdef check_body_rate(self, double now, Exchange exchange)
    @cython.locals(owner=StreamOwner, stream=Stream, exchange=Exchange)
    cpdef refuse(self, int status, str reason, tuple fields=*)
    @cython.locals(owner=StreamOwner, stream=Stream)
    cdef check_writes(self, double now)

cdef class StreamTransport:
    cdef StreamOwner owner
    cdef Stream stream
    cdef public object protocol
    cdef bint closing
    cdef bint held
    cdef bint paused
    cdef bint gone

    cpdef receive(self, bytes data)
    cpdef receive_eof(self)
    cpdef proceed(self)
    cpdef bint settle(self) except -1
    cpdef write(self, bytes data)
    cpdef close(self)
    cpdef abort(self)
