from bascule.interfaces.exchange cimport Carrier, Exchange
from bascule.interfaces.wsgi.call cimport WsgiCaller, WsgiExchange
from bascule.protocols.events cimport Request

cdef int BODY
cdef int COMPLETE
cdef int END
cdef int HEAD
cdef int HEAD_KEPT
cdef int IDLE
cdef int SENDING

cdef class InlineExchange(WsgiExchange):
    cdef InlineQueue queue
    cdef bint resumed
    cdef double turn_began

    cpdef run(self)
    cdef step(self, object part)
    cdef note_return(self)

cdef class InlineQueue:
    cdef public InlineExchange current
    cdef public object waiting
    cdef public object thread
    cdef bint passing

    cpdef enqueue(self, InlineExchange exchange)
    cpdef take_turn(self, InlineExchange exchange)
    cpdef withdraw(self, InlineExchange exchange)
    cpdef run_next(self, InlineExchange exchange)
