import cython

from bascule.interfaces.asgi.call cimport AsgiCall, AsgiCaller
from bascule.interfaces.asgi.awaitables cimport DrainAwaitable, ReadyAwaitable, ReceiveAwaitable, Wakeup
from bascule.interfaces.exchange cimport Carrier
from bascule.interfaces.session cimport WebSocketCarrier, WebSocketSession
from bascule.protocols.events cimport Request

cdef Carrier NO_CARRIER
cdef int BODY
cdef int BROKEN
cdef int CLOSE
cdef int COMPLETE
cdef int END
cdef int HEAD
cdef int HEAD_KEPT
cdef int IDLE
cdef int SENDING
cdef int SWITCH
cdef int SWITCHED

cdef class AsgiWebSocket(AsgiCall):
    cdef public WebSocketSession session
    cdef bint connect_told
    cdef int status
    cdef list fields

    cpdef note_return(self)
    @cython.locals(session=WebSocketSession, wakeup=Wakeup)
    cpdef wake_reader(self)
    @cython.locals(session=WebSocketSession)
    cpdef next_message(self)
    @cython.locals(session=WebSocketSession)
    cdef send_message(self, object message)
    cdef send_other(self, object kind, object message)
    @cython.locals(session=WebSocketSession)
    cdef accept(self, object message)
    @cython.locals(step=int)
    cdef send_denial(self, object message)
    @cython.locals(before=int)
    cdef close(self, object message)
    @cython.locals(carrier=WebSocketCarrier)
    cpdef bint is_congested(self) except -1
