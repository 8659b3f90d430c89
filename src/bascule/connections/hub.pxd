import cython

from bascule.interfaces.endpoint cimport Endpoint
from bascule.interfaces.exchange cimport Carrier, Exchange, Interface
from bascule.protocols.events cimport Request
from bascule.protocols.response_fields cimport ResponseDefaults

cdef class Hub:
    cdef public object loop
    cdef public Interface interface
    cdef public object limits
    cdef public object deadlines
    cdef public double keep_alive
    cdef public double ping_interval
    cdef public object websocket_limits
    cdef public bint compress
    cdef public bint http1
    cdef public bint http2
    cdef public object http2_limits
    cdef public int websockets
    cdef public object warn
    cdef public ResponseDefaults defaults
    cdef public object access
    cdef public str header_map
    cdef public object proxy_fields
    cdef public Py_ssize_t max_connections
    cdef public int max_running
    cdef public double request_timeout
    cdef public object overdue
    cdef public bint date_header
    cdef public set connections
    cdef public bint draining
    cdef public object set_accepting
    cdef public double now
    cdef public double read_at
    cdef double threads_due
    cdef public long long served
    cdef public long long unsent
    cdef public long long counted
    cdef public object slot

    cpdef opened(self, object connection)
    cpdef closed(self, object connection)
    @cython.locals(exchange=Exchange)
    cpdef Exchange exchange(self, Request request, Carrier carrier, double arrived_at)
    cpdef bint turns_away(self, Carrier carrier)
    @cython.locals(name=str)
    cpdef record(self, Request request, Endpoint endpoint, int status, long long size, double began, double waited)
    cpdef record_refused(self, tuple words, Endpoint endpoint, int status, long long size)
    cpdef expire(self, Carrier carrier, Exchange exchange)
    cpdef expire_handshake(self, Carrier carrier, Exchange exchange)
    cpdef double look_at_clock(self)
    cpdef double patience(self, Exchange exchange) except? -1
    @cython.locals(now=double)
    cpdef let_threads_run(self)
    cpdef replaced(self, object connection, object successor)
