import cython

from bascule.protocols.events cimport BodyEnd
from bascule.protocols.http2.budget cimport PeerBudget
from bascule.protocols.http2.frame_reader cimport FrameReader
from bascule.protocols.http2.frames cimport add_header
from bascule.protocols.http2.outbox cimport Outbox
from bascule.protocols.http2.requests cimport RequestReceiver
from bascule.protocols.http2.response cimport ResponseFields, count
from bascule.protocols.http2.settings_exchange cimport SettingsExchange
from bascule.protocols.http2.stream cimport Stream
from bascule.protocols.http2.streams cimport StreamTable

# Compared with for every frame; as numbers of C they need no look-up.
cdef int DATA
cdef int HEADERS
cdef int RST_STREAM
cdef int WINDOW_UPDATE
cdef int CONTINUATION
cdef int SETTINGS
cdef int PING
cdef int ACK
cdef int END_STREAM
cdef long long LARGEST_WINDOW
cdef int SETTINGS_DUE
cdef int FRAMES
cdef int ENDED
cdef int OVER

@cython.final
cdef class Http2Engine:
    cdef public PeerBudget budget
    cdef public Outbox outbox
    cdef public StreamTable streams
    cdef public SettingsExchange settings
    cdef FrameReader reader
    cdef RequestReceiver requests
    cdef ResponseFields responses
    cdef Py_ssize_t most_unsent
    cdef public int state
    cdef bint eof
    cdef public bint peer_leaving
    cdef public long long turn
    cdef public bint cut_short

    cpdef receive_data(self, bytes data)
    cpdef receive_eof(self)
    @cython.locals(requests=RequestReceiver, following=BodyEnd)
    cpdef next_event(self)
    @cython.locals(stream=Stream, clean=bint)
    cdef closed(self)
    @cython.locals(reader=FrameReader, kind=int, in_block="unsigned int")
    cdef take_frame(self)
    cdef take_other(self, int kind)
    cdef check_streamless(self, str name)
    @cython.locals(reader=FrameReader)
    cdef take_window_update(self)
    @cython.locals(reader=FrameReader)
    cdef take_rst_stream(self)
    @cython.locals(streams=StreamTable, payload=bytes)
    cdef take_ping(self)
    cdef take_goaway(self)
    @cython.locals(reader=FrameReader)
    cdef take_priority(self)
    @cython.locals(payload=bytes)
    cdef take_priority_update(self)
    @cython.locals(stream_id="unsigned int")
    cdef refuse_stream(self, unsigned int code, str reason)
    cpdef fail(self, unsigned int code, str reason)
    cpdef replenish(self, double seconds)
    cpdef consume(self, Stream stream, long long size)
    cpdef drain(self)
    cpdef finish_drain(self)
    cpdef probe(self)
    cpdef reset(self, Stream stream, unsigned int code=*)
    @cython.locals(outbox=Outbox)
    cpdef bytearray take_outgoing(self, Py_ssize_t most)
    @cython.locals(outbox=Outbox, stream=Stream)
    cdef send_waiting(self, Py_ssize_t most)
    cpdef list take_relieved(self)
    cpdef send_continue(self, Stream stream)
    cpdef send_informational(self, Stream stream, int status, list fields)
    @cython.locals(made=list, on_wire=bint)
    cpdef send_head(self, Stream stream, int status, list fields, bytes body, bint end)
    cpdef send_accepted(self, Stream stream, list fields)
    @cython.locals(on_wire=bint)
    cpdef send_data(self, Stream stream, bytes data, bint end)
    @cython.locals(made=list, on_wire=bint)
    cpdef send_trailers(self, Stream stream, list fields)
    cdef put(self, Stream stream, bytes data, bint end)
