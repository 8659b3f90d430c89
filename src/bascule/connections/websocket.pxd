import cython

from bascule.connections.hub cimport Hub
from bascule.connections.stall cimport StallWatch
from bascule.interfaces.endpoint cimport Endpoint
from bascule.interfaces.session cimport WebSocketCarrier, WebSocketSession
from bascule.protocols.websocket.engine cimport WebSocketEngine

cdef class WebSocketConnection(WebSocketCarrier):
    cdef public Hub hub
    cdef object transport
    cdef public Endpoint endpoint
    cdef public WebSocketEngine engine
    cdef public WebSocketSession session
    cdef public int phase
    cdef bint pumping
    cdef public bint turn_due
    cdef int left
    cdef bint reading_paused
    cdef bint failed
    cdef bint pinged
    cdef bytes pong_due
    cdef double heard
    cdef public double deadline
    cdef StallWatch writes

    cpdef begin(self, bytes rest, bint eof)
    @cython.locals(session=WebSocketSession)
    cpdef data_received(self, bytes data)
    @cython.locals(session=WebSocketSession)
    cdef pump_in_place(self)
    @cython.locals(engine=WebSocketEngine)
    cpdef pump(self)
    cdef begin_turn(self, int events)
    cdef take(self, object event)
    cdef end(self, int code, str reason, bint echo)
    cdef answer_ping(self, bytes payload)
    cdef write(self, bytes data)
    @cython.locals(engine=WebSocketEngine)
    cpdef close(self, int code, str reason)
    cdef regulate_reading(self)
    cdef pause_reading(self)
    cdef resume_reading(self)
    cdef flush(self)
    cdef linger(self)
    cpdef abort(self)
    @cython.locals(session=WebSocketSession)
    cpdef drain(self)
    cpdef tick(self, double now)
    cdef double patience(self) except -1
    @cython.locals(silent=double)
    cdef keep_alive(self, double now)
    cdef watch_writes(self)
    cdef check_writes(self, double now)
    cdef give_up(self, str reason)
