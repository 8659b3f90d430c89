from bascule.interfaces.exchange cimport Interface
from bascule.protocols.http1.response cimport ResponseDefaults

cdef class Hub:
    cdef public object loop
    cdef public Interface interface
    cdef public object limits
    cdef public object deadlines
    cdef public double keep_alive
    cdef public double ping_interval
    cdef public object websocket_limits
    cdef public bint compress
    cdef public int websockets
    cdef public object warn
    cdef public ResponseDefaults defaults
    cdef public object access
    cdef public str header_map
    cdef public Py_ssize_t max_connections
    cdef public int max_running
    cdef public bint date_header
    cdef public set connections
    cdef public bint draining
    cdef public object set_accepting
    cdef public double now

    cpdef opened(self, object connection)
    cpdef closed(self, object connection)
    cpdef replaced(self, object connection, object successor)
