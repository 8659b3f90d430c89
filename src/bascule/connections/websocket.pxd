import cython

from bascule.connections.hub cimport Hub
from bascule.connections.transport cimport ManagedTransport
from bascule.interfaces.session cimport WebSocketCarrier, WebSocketSession
from bascule.protocols.websocket.engine cimport WebSocketEngine

cdef int CLOSING
cdef int OPEN

cdef class WebSocketConnection(WebSocketCarrier):
    cdef public Hub hub
    cdef public ManagedTransport transport
    cdef public WebSocketEngine engine
    cdef public WebSocketSession session
    cdef bint pumping
    cdef int left
    cdef bint failed
    cdef bint pinged
    cdef bytes pong_due
    cdef double heard

    cpdef begin(self, bytes rest, bint eof)
    @cython.locals(transport=ManagedTransport)
    cpdef data_received(self, bytes data)
    @cython.locals(session=WebSocketSession)
    cdef pump_in_place(self)
    @cython.locals(engine=WebSocketEngine, transport=ManagedTransport)
    cpdef pump(self)
    cdef bint has_enough(self) except -1
    cdef begin_turn(self, int events)
    cdef take(self, object event)
    cdef end(self, int code, str reason, bint echo)
    cdef answer_ping(self, bytes payload)
    cdef write(self, bytes data)
    @cython.locals(engine=WebSocketEngine, transport=ManagedTransport)
    cpdef close(self, int code, str reason)
    @cython.locals(waits=bint)
    cdef regulate_reading(self)
    @cython.locals(transport=ManagedTransport)
    cdef hold_reading(self, bint hold)
    cdef linger(self)
    cpdef abort(self)
    @cython.locals(session=WebSocketSession)
    cpdef drain(self)
    @cython.locals(transport=ManagedTransport)
    cpdef tick(self, double now)
    @cython.locals(silent=double)
    cdef keep_alive(self, double now)
    cdef check_writes(self, double now)
    cdef give_up(self, str reason)
