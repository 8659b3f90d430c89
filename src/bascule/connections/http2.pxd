import cython

from bascule.connections.http2_stream cimport StreamCarrier, StreamOwner, StreamTransport
from bascule.connections.hub cimport Hub
from bascule.connections.stall cimport StallWatch
from bascule.interfaces.exchange cimport Exchange, Interface
from bascule.protocols.events cimport BodyData, BodyEnd, Refused, Request, StreamReset
from bascule.protocols.http2.engine cimport Http2Engine
from bascule.protocols.http2.stream cimport Stream

cdef class Http2Connection(StreamOwner):
    cdef object transport
    cdef public dict carriers
    cdef public dict sockets
    cdef list unstarted
    cdef public int phase
    cdef bint busy
    cdef bint pumping
    cdef public bint turn_due
    cdef bint flush_due
    cdef bint reading_paused
    cdef public double deadline
    cdef double opening_deadline
    cdef double block_since
    cdef double ticked
    cdef StallWatch writes
    cdef StallWatch windows

    cpdef data_received(self, bytes data)
    @cython.locals(engine=Http2Engine)
    cdef pump(self)
    @cython.locals(carrier=StreamCarrier, transport=StreamTransport)
    cdef take(self, object event)
    @cython.locals(hub=Hub, interface=Interface, exchange=Exchange, stream=Stream, carrier=StreamCarrier)
    cdef begin(self, Request request)
    cdef start_exchanges(self)
    @cython.locals(carrier=StreamCarrier, transport=StreamTransport)
    cdef take_body(self, BodyData event)
    @cython.locals(carrier=StreamCarrier, transport=StreamTransport, exchange=Exchange)
    cdef end_body(self, BodyEnd event)
    cdef end_stream(self, StreamReset event)
    cdef refuse(self, Refused refused)
    cdef lose_all(self)
    cdef settle_sockets(self)
    @cython.locals(engine=Http2Engine)
    cpdef flush(self)
    @cython.locals(engine=Http2Engine, outgoing=bytearray)
    cdef write(self)
    @cython.locals(stream=Stream, carrier=StreamCarrier, transport=StreamTransport)
    cdef relieve(self)
    cpdef close(self)
    cdef finish(self)
    cdef linger(self)
    cpdef abort(self)
    cdef regulate_reading(self)
    cdef pause_reading(self)
    cdef resume_reading(self)
    cpdef drain(self)
    cpdef tick(self, double now)
    cdef tick_lingering(self, double now)
    cdef check_patience(self, double now)
    cdef watch_writes(self)
    @cython.locals(hub=Hub, carrier=StreamCarrier, exchange=Exchange)
    cdef double patience(self) except? -1
    cdef check_writes(self, double now)
