from bascule.interfaces.asgi.call cimport AsgiCaller
from bascule.interfaces.asgi.http cimport AsgiExchange
from bascule.interfaces.exchange cimport Carrier, Exchange
from bascule.protocols.events cimport Request

cdef class AsgiInterface(AsgiCaller):
    pass
