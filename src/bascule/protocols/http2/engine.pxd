import cython

from bascule.protocols.events cimport BodyData, BodyEnd, Closed, ConnectionFailed, Refused, Request, StreamReset
from bascule.protocols.http2.budget cimport Budget
from bascule.protocols.http2.flow cimport ReceiveWindow
from bascule.protocols.http2.frames cimport add_block, add_header, add_rst_stream, add_window_update
from bascule.protocols.http2.hpack cimport Decoder, Encoder
from bascule.protocols.http2.priority cimport Scheduler
from bascule.protocols.http2.request_head cimport RequestReader
from bascule.protocols.http2.response cimport ResponseFields, count
from bascule.protocols.http2.streams cimport Stream

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
cdef int END_HEADERS
cdef int PADDED
cdef int PRIORITY_FLAG
cdef int HEADER_SIZE
cdef int LONGEST_PAYLOAD
cdef long long LARGEST_WINDOW
cdef int SEND_HIGH_WATER
cdef int SEND_LOW_WATER
cdef int RESPONSE_EARNS
cdef int FRAME_EARNS
cdef long long UPDATES_A_FRAME
cdef long long BYTES_AN_UPDATE
cdef long long MOST_UPDATES
cdef long long REQUEST_UPDATES
cdef int PREFACE_DUE
cdef int SETTINGS_DUE
cdef int FRAMES
cdef int ENDED
cdef int OVER

cdef class Http2Engine:
    cdef public object limits
    cdef public object own
    cdef public str header_map
    cdef RequestReader reader
    cdef ResponseFields responses
    cdef Decoder decoder
    cdef Encoder encoder
    cdef public Scheduler scheduler
    cdef public dict streams
    cdef public dict answered
    cdef public list relieved
    cdef public dict reset_here
    cdef public dict early_priorities
    cdef public Budget resets
    cdef public Budget frames
    cdef Py_ssize_t most_unsent
    cdef Py_ssize_t most_streams
    cdef ReceiveWindow no_window
    cdef bytes buffer
    cdef Py_ssize_t position
    cdef bytearray pending
    cdef Py_ssize_t needed
    cdef bint eof
    cdef object following
    cdef public int state
    cdef int kind
    cdef int flags
    cdef unsigned int frame_stream
    cdef Py_ssize_t frame_start
    cdef Py_ssize_t frame_end
    cdef unsigned int block_stream
    cdef list block
    cdef long long block_size
    cdef int block_frames
    cdef bint block_ended
    cdef public unsigned int last_id
    cdef public unsigned int seen_id
    cdef public bint draining
    cdef public bint drain_acked
    cdef public bint peer_leaving
    cdef long long peer_no_priorities
    cdef public bint settings_acked
    cdef public long long peer_initial_window
    cdef public long long send_window
    cdef public long long sent
    cdef public long long unsent
    cdef public long long updates
    cdef public double age
    cdef public long long turn
    cdef public bint cut_short
    cdef public ReceiveWindow window
    cdef public bytearray outgoing

    @cython.locals(left=Py_ssize_t)
    cpdef receive_data(self, bytes data)
    cpdef receive_eof(self)
    cpdef next_event(self)
    @cython.locals(stream=Stream, clean=bint)
    cdef closed(self)
    @cython.locals(octets="const unsigned char*", at=Py_ssize_t, there=Py_ssize_t, length=Py_ssize_t)
    cdef bint frame_is_here(self) except -1
    cdef bint preface_is_here(self) except -1
    @cython.locals(kind=int)
    cdef take_frame(self)
    cdef take_other(self, int kind)
    cdef charge_frames(self, int cost)
    cdef charge_reset(self)
    cpdef replenish(self, double seconds)
    @cython.locals(stream_id="unsigned int", block=bytes, ended=bint)
    cdef take_headers(self)
    @cython.locals(stream_id="unsigned int", block=bytes)
    cdef take_continuation(self)
    @cython.locals(stream=Stream, fields=list)
    cdef take_block(self, unsigned int stream_id, bytes block, bint ended)
    @cython.locals(window=ReceiveWindow, stream=Stream, reader=RequestReader, request=Request)
    cdef open_stream(self, unsigned int stream_id, list fields, bint ended)
    cdef begin_priority(self, Stream stream, bytes value)
    cdef take_trailers(self, Stream stream, list fields, bint ended)
    @cython.locals(stream_id="unsigned int", length=Py_ssize_t, size=Py_ssize_t, stream=Stream, ended=bint)
    cdef take_data(self)
    cdef discard(self, Stream stream, Py_ssize_t size)
    @cython.locals(stream=Stream, in_all=double)
    cdef end_requests(self)
    @cython.locals(data=BodyData)
    cdef take_body(self, Stream stream, Py_ssize_t size, bint ended)
    cdef check_length(self, Stream stream)
    cdef BodyEnd body_end(self, Stream stream, list trailers)
    cdef end_remote(self, Stream stream)
    @cython.locals(octets="const unsigned char*", padding=int)
    cdef strip_padding(self)
    cdef check_closed(self, unsigned int stream_id)
    @cython.locals(stream_id="unsigned int", stream=Stream, code="unsigned int")
    cdef take_rst_stream(self)
    @cython.locals(octets="const unsigned char*")
    cdef unsigned int number_at(self, Py_ssize_t at) noexcept
    @cython.locals(stream_id="unsigned int")
    cdef refuse_stream(self, unsigned int code, str reason)
    @cython.locals(stream=Stream, event=Refused)
    cdef refuse_request(self, object refused)
    @cython.locals(stream=Stream)
    cpdef fail(self, unsigned int code, str reason)
    @cython.locals(increment=cython.longlong)
    cpdef consume(self, Stream stream, long long octets)
    @cython.locals(increment=cython.longlong)
    cdef open_connection_window(self, long long octets)
    cdef void allow_updates(self, long long number) noexcept
    @cython.locals(stream_id="unsigned int", increment=cython.longlong, stream=Stream)
    cdef take_window_update(self)
    @cython.locals(octets="const unsigned char*", at=Py_ssize_t, length=Py_ssize_t)
    cdef take_settings(self)
    cdef apply_setting(self, unsigned int name, long long value)
    @cython.locals(stream=Stream)
    cdef move_windows(self, long long difference)
    cdef take_ping(self)
    cdef take_goaway(self)
    cdef take_priority(self)
    @cython.locals(stream_id="unsigned int", stream=Stream, priority=tuple)
    cdef take_priority_update(self)
    cpdef drain(self)
    cpdef finish_drain(self)
    @cython.locals(outgoing=bytearray)
    cpdef bytearray take_outgoing(self, Py_ssize_t most)
    @cython.locals(scheduler=Scheduler, stream=Stream, size=cython.longlong, piece=bytes)
    cdef schedule(self, Py_ssize_t most)
    cpdef list take_relieved(self)
    @cython.locals(size=Py_ssize_t, trailers=list, flags=int)
    cdef add_data(self, Stream stream, bytes piece, bint end)
    cpdef send_continue(self, Stream stream)
    cpdef send_informational(self, Stream stream, int status, list fields)
    @cython.locals(made=list, on_wire=bint)
    cpdef send_head(self, Stream stream, int status, list fields, bytes body, bint end)
    cpdef send_accepted(self, Stream stream, list fields)
    @cython.locals(on_wire=bint)
    cpdef send_data(self, Stream stream, bytes data, bint end)
    @cython.locals(made=list, on_wire=bint)
    cpdef send_trailers(self, Stream stream, list fields)
    @cython.locals(size=Py_ssize_t)
    cdef put(self, Stream stream, bytes data, bint end)
    cdef add_fields(self, Stream stream, list fields, int flags)
    cdef end_local(self, Stream stream)
    cdef await_end(self, Stream stream)
    cpdef reset(self, Stream stream, unsigned int code=*)
    @cython.locals(stream=Stream)
    cdef forget_stream(self, unsigned int stream_id, unsigned int code)
    cdef close_stream(self, Stream stream)
