import cython

from bascule.interfaces.session cimport WebSocketCarrier, WebSocketSession
from bascule.interfaces.wsgi.call cimport WsgiCaller
from bascule.interfaces.wsgi.threaded cimport ThreadedExchange
from bascule.protocols.events cimport Request

cdef int ACCEPT
cdef int TEXT
cdef int BINARY
cdef int PING
cdef int CLOSE
cdef int CONCLUDE
cdef int PROCEED
cdef int RETURNED
cdef int TUNNEL
cdef int COMPLETE
cdef int SWITCH
cdef int SWITCHED

cdef class WebSocketCall(ThreadedExchange):
    cdef public WebSocketSession session
    cdef public bint taken
    cdef public bint tunnelled
    cdef list waiters
    cdef object finish_tunnel

    @cython.locals(kind=int)
    cpdef carry_out(self, tuple operation)
    @cython.locals(kind=int, session=WebSocketSession)
    cdef carry_out_websocket(self, tuple operation)
    @cython.locals(before=int)
    cdef switch_to_tunnel(self, object sock)
    @cython.locals(carrier=WebSocketCarrier)
    cpdef bint is_congested(self) except -1
    cpdef accept(self, str subprotocol, list fields)
    cpdef open_tunnel(self)
    @cython.locals(session=WebSocketSession)
    cpdef next_message(self, object timeout)
    @cython.locals(session=WebSocketSession)
    cdef wait_for_message(self, object deadline)
    cpdef send_message(self, int kind, object message)
    cpdef check_open(self)
    cpdef bint is_behind(self) except -1
    cpdef bint is_open(self) except -1
    cdef wait_while(self, object condition)
    cpdef close_socket(self, int code, str reason)
    cdef bint is_leaving(self, object error) except -1
    cdef come_too_late(self)
    cpdef lead_nowhere(self, object sock)
