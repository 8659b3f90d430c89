import cython

from bascule.interfaces.wsgi.environ cimport connection_environ, request_environ
from bascule.interfaces.endpoint cimport Endpoint
from bascule.interfaces.exchange cimport Carrier, Exchange, Interface
from bascule.interfaces.responding cimport RespondingExchange
from bascule.interfaces.wsgi.pool cimport ThreadPool
from bascule.pep3333 cimport close, encode_field, join, read_status
from bascule.protocols.events cimport Request
from bascule.protocols.headers cimport parse_length

cdef object END
cdef object LIST_ITERATOR

cdef int BROKEN
cdef int COMPLETE
cdef int HEAD_KEPT
cdef int IDLE
cdef int NO_LENGTH
cdef int SENDING

cdef class WsgiExchange(RespondingExchange):
    cdef public WsgiCaller interface
    cdef public int status
    cdef public bytes reason
    cdef public list fields
    cdef public long long length
    cdef public long long sent
    cdef public int stage
    cdef public ResultIterator result
    cdef public double queued_at
    cdef double quiet_since
    cdef int surplus

    cpdef put_head(self, bytes body, bint end)
    cpdef put_data(self, bytes data, bint end)
    cpdef put_file(self, object file, object offset, object count)
    cpdef put_hint(self, list fields)
    cpdef put_abort(self)
    cpdef put_failure(self)
    @cython.locals(request=Request)
    cdef dict environ(self, object body)
    @cython.locals(field=tuple, encoded=bytes, length=cython.longlong)
    cdef keep_head(self, object status, object headers)
    cdef call(self, object body)
    cpdef invoke(self, dict environ)
    cpdef pull(self, ResultIterator result)
    cdef put_whole(self, object data)
    @cython.locals(stage=int, end=bint)
    cdef put(self, object data)
    cdef check_piece(self, object data)
    cdef bint put_wrapped(self, object wrapper) except -1
    cdef bint walk(self) except -1
    cdef drop(self, ResultIterator result)
    cdef bint is_bodiless(self) except -1
    cdef bint is_forsaken(self) except -1
    cpdef bint must_pause(self) except -1
    @cython.locals(stage=int)
    cdef complete(self)
    cdef close_result(self)
    @cython.locals(stage=int)
    cdef fail(self, object error)
    cdef log(self, str what, object error)

cdef class WsgiCaller(Interface):
    cdef public object app
    cdef public object loop
    cdef public str root_path
    cdef public str mounted
    cdef public ThreadPool pool
    cdef public ThreadPool socket_pool
    cdef public int sockets
    cdef public double queue_timeout
    cdef public Py_ssize_t queue_limit
    cdef public object body_buffer
    cdef public bint multiprocess
    cdef public bint beside_asgi
    cdef public object stopping
    cdef public object warn

    cdef dict environ_base(self, Endpoint endpoint)
    cpdef bint has_busy_threads(self) except -1
    cpdef ThreadPool socket_threads(self)
    cpdef shed(self, WsgiExchange exchange)
    cpdef turn_away(self, WsgiExchange exchange)

cdef class ResultIterator:
    cdef public object iterable
    cdef public object iterator

    cdef advance(self)
