import cython

from bascule.interfaces.asgi.call cimport AsgiCall, AsgiCaller
from bascule.interfaces.asgi.awaitables cimport DrainAwaitable, ReadyAwaitable, ReceiveAwaitable, Wakeup
from bascule.interfaces.exchange cimport Carrier
from bascule.interfaces.session cimport WebSocketCarrier, WebSocketSession
from bascule.protocols.events cimport Request

cdef Carrier SWITCHED

cdef class AsgiWebSocket(AsgiCall):
    cdef public WebSocketSession session
    cdef public int state
    cdef bint connect_told
    cdef int status
    cdef list fields

    cpdef finish(self)
    cdef break_off(self)
    @cython.locals(session=WebSocketSession, wakeup=Wakeup)
    cpdef wake_reader(self)
    @cython.locals(session=WebSocketSession)
    cpdef next_message(self)
    @cython.locals(session=WebSocketSession)
    cdef send_message(self, object message)
    cdef send_other(self, object kind, object message)
    @cython.locals(session=WebSocketSession)
    cdef accept(self, object message)
    cdef send_denial(self, object message)
    cdef deny(self, int status, list fields, bytes body, bint end)
    @cython.locals(carrier=WebSocketCarrier)
    cpdef bint is_congested(self) except -1
