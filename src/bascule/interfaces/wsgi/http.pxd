import cython

from bascule.interfaces.exchange cimport Carrier, Exchange
from bascule.interfaces.wsgi.call cimport WsgiCaller, WsgiExchange
from bascule.interfaces.wsgi.threaded cimport ThreadedExchange
from bascule.protocols.events cimport Request

cdef class InlineExchange(WsgiExchange):
    cdef WsgiInterface turns
    cdef bint resumed
    cdef double turn_began

    cpdef run(self)
    cdef step(self, object part)
    cdef done(self)

cdef class WsgiInterface(WsgiCaller):
    cdef public InlineExchange current
    cdef public object waiting
    cdef public object thread
    cdef bint passing

    cpdef enqueue(self, InlineExchange exchange)
    cpdef take_turn(self, InlineExchange exchange)
    cpdef withdraw_inline(self, InlineExchange exchange)
    cpdef next_inline(self, InlineExchange exchange)
