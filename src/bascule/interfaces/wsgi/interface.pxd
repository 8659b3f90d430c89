from bascule.interfaces.exchange cimport Carrier, Exchange
from bascule.interfaces.wsgi.call cimport WsgiCaller
from bascule.interfaces.wsgi.inline cimport InlineExchange, InlineQueue
from bascule.interfaces.wsgi.threaded cimport ThreadedExchange
from bascule.protocols.events cimport Request

cdef class WsgiInterface(WsgiCaller):
    cdef public InlineQueue queue
