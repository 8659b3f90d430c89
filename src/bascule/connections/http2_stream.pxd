import cython

from bascule.connections.files cimport FilePieces
from bascule.connections.hub cimport Hub
from bascule.connections.request_carrier cimport RequestCarrier
from bascule.connections.transport cimport ManagedTransport
from bascule.connections.write_watch cimport WriteWatch
from bascule.interfaces.endpoint cimport Endpoint
from bascule.interfaces.exchange cimport Exchange
from bascule.protocols.http2.engine cimport Http2Engine
from bascule.protocols.http2.response cimport check_size
from bascule.protocols.http2.stream cimport Stream

cdef int NOTHING

cdef class StreamCarrier

cdef class StreamTransport

cdef class StreamOwner:
    cdef public Hub hub
    cdef public ManagedTransport transport
    cdef public Http2Engine engine
    cdef public list crowd
    cdef list unstarted

    @cython.locals(unsent=cython.longlong)
    cpdef bint holds_back(self) except -1
    @cython.locals(carrier=StreamCarrier, exchange=Exchange)
    cdef let_in(self)
    cdef leave_crowd(self, StreamCarrier carrier)
    cpdef written(self)
    cpdef completed(self, StreamCarrier carrier)
    cpdef switched(self, StreamCarrier carrier, StreamTransport transport)
    cpdef lose(self, StreamCarrier carrier)

cdef class StreamCarrier(RequestCarrier):
    cdef StreamOwner owner
    cdef public Stream stream
    cdef WriteWatch writes
    cdef list early
    cdef FilePieces file
    cdef bint file_end

    @cython.locals(exchange=Exchange)
    cpdef receive_body(self, bytes data)
    @cython.locals(exchange=Exchange)
    cpdef proceed(self)
    cpdef lost(self)
    cpdef bint is_crowded(self) except -1
    @cython.locals(owner=StreamOwner)
    cdef sent(self, bint end)
    @cython.locals(stream=Stream, owner=StreamOwner, data=bytes)
    cdef feed_file(self)
    @cython.locals(file=FilePieces)
    cdef bint feed(self, bytes data) except -1
    cdef send_piece(self, bytes data, bint end)
    cdef close_file(self)
    cdef complete(self)
    cpdef tick(self, double now)
    cdef put_off(self, Exchange exchange)
    cdef bint has_responded(self) except -1
    cdef bint is_body_awaited(self) except -1
    @cython.locals(exchange=Exchange, held=bint)
    cdef bint is_body_held(self) except -1
    cdef send_refusal(self, int status, list fields, bytes body)
    cdef cut_short(self)
    cdef finish_refused(self)
    @cython.locals(owner=StreamOwner, stream=Stream)
    cdef check_writes(self, double now)

cdef class StreamTransport:
    cdef StreamOwner owner
    cdef Stream stream
    cdef public object protocol
    cdef bint closing
    cdef bint held
    cdef bint paused
    cdef bint gone

    cpdef receive(self, bytes data)
    cpdef receive_eof(self)
    cpdef proceed(self)
    cpdef bint settle(self) except -1
    cpdef write(self, bytes data)
    cpdef close(self)
    cpdef abort(self)
