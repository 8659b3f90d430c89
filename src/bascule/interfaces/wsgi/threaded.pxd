import cython

from bascule.interfaces.exchange cimport Carrier
from bascule.interfaces.wsgi.pool cimport PoolThread, ThreadPool
from bascule.interfaces.wsgi.call cimport ResultIterator, WsgiCaller, WsgiExchange
from bascule.protocols.events cimport Request

cdef int RESPOND
cdef int SEND
cdef int SEND_FILE
cdef int INFORM
cdef int READ_ON
cdef int ABORT
cdef int RETURNED
cdef int SHED
cdef int PARK
cdef int FAIL
cdef int BODY
cdef int COMPLETE
cdef int END
cdef int HEAD
cdef int SENDING
cdef int SWITCHED

cdef class ThreadedExchange(WsgiExchange):
    cdef public ThreadPool pool
    cdef object outbox
    cdef object event
    cdef public object error
    cdef bint started
    cdef bint returned
    cdef public bint exposed
    cdef public bint expired
    cdef bint striking
    cdef bint struck
    cdef object collected
    cdef bint passed_on
    cdef public bint blocked
    cdef public bint parked
    cdef long long received
    cdef long long consumed
    cdef long long queued
    cdef long long written

    cdef bint is_unsized(self) except -1
    cdef collect(self, bytes data)
    cdef bytes collected_whole(self)
    cdef pass_on(self)
    cdef take_piece(self, bytes data)
    cdef check_collected(self, bint has_room)
    cdef tell_unread(self)
    cdef queue(self)
    cdef submit(self)
    cdef check_queue(self)
    cdef bint withdraw(self) except -1
    cdef expose(self)
    cdef shelter(self)
    cdef bytes wait_for_piece(self)
    cdef wake_thread(self)
    cpdef flush(self)
    @cython.locals(kind=int, status=int, end=bint)
    cpdef carry_out(self, tuple operation)
    cpdef bint is_congested(self) except -1
    cpdef post_return(self)
    cpdef armed_event(self)
    cdef park(self)
    cdef refuse(self, object error)
    cdef report_failure(self, object error)
    cpdef run(self)
    cpdef put_operation(self, tuple operation)
    cdef count(self, Py_ssize_t size)
    cdef wait_for_client(self)
    cdef bint is_ahead(self) except -1
    cpdef next_piece(self)
    cdef wait_for_body(self)
