import cython

from bascule.connections.http1 cimport Http1Connection
from bascule.connections.hub cimport Hub
from bascule.connections.transport cimport ManagedTransport

@cython.final
cdef class Negotiation:
    cdef Hub hub
    cdef object proxied
    cdef public ManagedTransport transport
    cdef bytes early

    @cython.locals(hub=Hub, transport=ManagedTransport)
    cpdef connection_made(self, object raw)
    cpdef data_received(self, bytes data)
    @cython.locals(successor=Http1Connection)
    cdef become_http1(self, bytes data)
    cdef become_http2(self, bytes data)
    @cython.locals(hub=Hub)
    cpdef drain(self)
    @cython.locals(transport=ManagedTransport)
    cpdef tick(self, double now)
