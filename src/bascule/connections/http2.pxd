import cython

from bascule.connections.http2_stream cimport StreamCarrier, StreamOwner, StreamTransport
from bascule.connections.hub cimport Hub
from bascule.connections.transport cimport ManagedTransport
from bascule.connections.write_watch cimport WriteWatch
from bascule.interfaces.exchange cimport Exchange
from bascule.protocols.events cimport BodyData, BodyEnd, Refused, Request, StreamReset
from bascule.protocols.http2.engine cimport Http2Engine
from bascule.protocols.http2.stream cimport Stream

cdef int CLOSING
cdef int LINGERING

cdef class Http2Connection(StreamOwner):
    cdef public dict carriers
    cdef public dict sockets
    cdef bint busy
    cdef bint pumping
    cdef bint flush_due
    cdef double opening_deadline
    cdef double block_since
    cdef double ticked
    cdef WriteWatch windows

    cpdef begin(self)
    @cython.locals(transport=ManagedTransport)
    cpdef data_received(self, bytes data)
    @cython.locals(engine=Http2Engine)
    cdef pump(self)
    @cython.locals(stream=Stream, carrier=StreamCarrier, transport=StreamTransport)
    cdef take(self, object event)
    @cython.locals(carrier=StreamCarrier)
    cdef begin_request(self, Request request)
    @cython.locals(carrier=StreamCarrier, exchange=Exchange)
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
    @cython.locals(engine=Http2Engine, transport=ManagedTransport, outgoing=bytearray)
    cdef write(self)
    @cython.locals(stream=Stream, carrier=StreamCarrier, transport=StreamTransport)
    cdef relieve(self)
    cdef finish(self)
    cdef linger(self)
    cpdef abort(self)
    @cython.locals(waits=bint)
    cdef regulate_reading(self)
    @cython.locals(hub=Hub)
    cpdef drain(self)
    @cython.locals(transport=ManagedTransport, engine=Http2Engine, carrier=StreamCarrier)
    cpdef tick(self, double now)
    @cython.locals(transport=ManagedTransport, engine=Http2Engine)
    cdef check_patience(self, double now)
    @cython.locals(hub=Hub, carrier=StreamCarrier, exchange=Exchange)
    cdef double patience(self) except? -1
    @cython.locals(transport=ManagedTransport, engine=Http2Engine)
    cdef check_writes(self, double now)
