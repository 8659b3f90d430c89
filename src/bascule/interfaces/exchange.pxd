import cython

from bascule.interfaces.endpoint cimport Endpoint
from bascule.protocols.events cimport Request

cdef class Carrier:
    cdef public Endpoint endpoint
    cdef public bint congested

    cpdef respond(self, int status, list fields, bytes body, bint end, bytes reason=*)
    cpdef send(self, bytes data, bint end)
    cpdef send_trailers(self, list fields)
    cpdef send_file(self, object file, long long offset, long long count, bint end)
    cpdef inform(self, int status, list fields)
    cpdef accept(self, object session, str subprotocol, list fields)
    cpdef tunnel(self, Exchange exchange, object sock)
    cpdef bint is_crowded(self) except -1
    cpdef bint holds_back(self) except -1
    cpdef wait_for_room(self)
    cpdef want_body(self)
    cpdef hold_body(self)
    cpdef abort(self)

cdef class Exchange:
    cdef public Request request
    cdef public Carrier carrier
    cdef public list body
    cdef public Py_ssize_t body_size
    cdef public bint body_ended
    cdef public object trailers
    cdef public bint disconnected
    cdef public bint finished_sending
    cdef public bint held
    cdef public double arrived_at
    cdef public double waited

    cpdef start(self)
    cpdef receive_body(self, bytes data)
    cpdef end_body(self, object trailers)
    cpdef disconnect(self)
    cpdef finish_sending(self)
    cpdef resume_writing(self)
    cpdef wake_reader(self)
    cpdef catch_up(self)
    cpdef tick(self)
    cpdef bint waits_for_turn(self) except -1
    cpdef bint holds_up(self) except -1
    @cython.locals(endpoint=Endpoint)
    cpdef Endpoint ends(self)
    cpdef bytes take_body(self)
    cpdef check_connected(self)

cdef class Interface:
    cdef public int running
    cdef public int switched
    cdef public int deserted
    cdef public object websockets

    cpdef Exchange exchange(self, Request request, Carrier carrier)
    cpdef int count_running(self) except -1
    cpdef bint has_busy_threads(self) except -1
    cpdef int count_switched(self) except -1
    cpdef int count_deserted(self) except -1
    cpdef close(self)
