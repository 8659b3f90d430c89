import cython

from bascule.interfaces.environ cimport connection_environ, request_environ
from bascule.interfaces.exchange cimport Carrier, Endpoint, Exchange, Interface
from bascule.interfaces.threads cimport ThreadPool
from bascule.protocols.events cimport Request

cdef dict STATUSES
cdef dict NAMES

cdef class WsgiExchange(Exchange):
    cdef public WsgiCaller interface
    cdef public int status
    cdef public bytes reason
    cdef public list fields
    cdef public long long length
    cdef public long long sent
    cdef public bint head_sent
    cdef public bint ended
    cdef public Result result

    cpdef put_head(self, bytes body, bint end)
    cpdef put_data(self, bytes data, bint end)
    cpdef put_file(self, object file, object offset, object count)
    cpdef put_hint(self, list fields)
    cpdef put_abort(self)
    cdef dict environ(self, object body)
    cdef call(self, object body)
    cdef put_whole(self, object data)
    cdef put(self, object data)
    cdef check_piece(self, object data)
    cdef bint put_wrapped(self, object wrapper) except -1
    cdef bint walk(self) except -1
    cpdef bint must_pause(self) except -1
    cdef finish(self)
    cdef close_result(self)
    cdef fail(self, object error)
    cdef log(self, str what, object error)

cdef class ThreadedExchange(WsgiExchange):
    cdef public ThreadPool pool
    cdef object outbox
    cdef object event
    cdef public object error
    cdef bint started
    cdef bint over
    cdef long long received
    cdef long long consumed
    cdef long long queued
    cdef long long written

    cdef submit(self)
    cdef wake_thread(self)
    cpdef flush(self)
    @cython.locals(kind=int)
    cpdef carry_out(self, tuple operation)
    cpdef bint is_congested(self) except -1
    cpdef end_call(self)
    cpdef armed_event(self)
    cdef refuse(self, object error)
    cpdef run(self)
    cpdef put_operation(self, tuple operation)
    cdef wait_for_client(self)
    cpdef next_piece(self)
    cdef wait_for_body(self)

cdef class WsgiCaller(Interface):
    cdef public object app
    cdef public object loop
    cdef public str root_path
    cdef public str mounted
    cdef public ThreadPool pool
    cdef public ThreadPool socket_pool
    cdef public int sockets
    cdef public object warn

    cdef dict environ_base(self, Endpoint endpoint)
    cpdef ThreadPool socket_threads(self)

cdef class Result:
    cdef public object iterable
    cdef public object iterator

cdef tuple learn_status(object status)
@cython.locals(encoded=bytes, data=bytes)
cpdef tuple encode_field(object name, object value)
