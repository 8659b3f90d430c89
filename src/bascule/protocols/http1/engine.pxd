import cython

from bascule.protocols cimport scanning
from bascule.protocols.events cimport BodyData, BodyEnd, Closed, Refused, Request
from bascule.protocols.http1.chunked cimport ChunkedDecoder
from bascule.protocols.http1.head cimport HeadReader
from bascule.protocols.http1.response cimport ResponseWriter

cdef bytes EMPTY_LINE
cdef int EMPTY_LINE_SIZE
cdef int LAST_CONTROL
cdef int HEAD
cdef int FIXED
cdef int CHUNKS
cdef int ENDED
cdef int OVER

cdef class Http1Engine:
    cdef public object limits
    cdef public str header_map
    cdef Py_ssize_t longest_head
    cdef public HeadReader reader
    cdef public ResponseWriter writer
    cdef ChunkedDecoder decoder
    cdef public Request request
    cdef bytes buffer
    cdef Py_ssize_t position
    cdef Py_ssize_t scanned
    cdef int blank_lines
    cdef long long remaining
    cdef long long discarded
    cdef bint eof
    cdef public bint waits_for_continue
    cdef public bint cut_short
    cdef public int state

    cpdef receive_data(self, bytes data)
    cpdef receive_eof(self)
    cpdef Py_ssize_t buffered(self) noexcept
    cpdef bint in_head(self) noexcept
    cpdef bint body_ended(self) noexcept
    @cython.locals(state=int)
    cpdef next_event(self)
    @cython.locals(buffer=bytes, size=Py_ssize_t, there=Py_ssize_t, end=Py_ssize_t, request=Request)
    cdef next_head(self)
    cdef begin_request(self, Request request)
    cdef skip_blank_lines(self)
    @cython.locals(buffer=bytes, size=Py_ssize_t, line_end=Py_ssize_t, line=Py_ssize_t,
                   most=Py_ssize_t, start=Py_ssize_t, line_feed=Py_ssize_t)
    cdef check_partial_head(self)
    cdef head_too_long(self)
    cdef line_too_long(self)
    cpdef tuple request_line(self)
    cdef closed(self, bint clean)
    @cython.locals(data=bytes)
    cdef next_body(self)
    cdef end_body(self, list trailers)
    @cython.locals(start=Py_ssize_t, there=Py_ssize_t, size=cython.longlong)
    cdef bytes read_fixed(self)
    cdef bytes read_chunks(self)
    cpdef bytes send_continue(self)
    cpdef bytes send_informational(self, int status, list fields)
    cpdef bytes send_head(self, int status, list fields, bytes body, bint end, bytes reason=*)
    cdef bint may_leave_too_much(self) except -1
    cpdef bytes send_data(self, bytes data, bint end)
    cpdef bytes send_trailers(self, list fields)
    cdef bint wants_trailers(self) except -1
    cpdef bytes send_file_prefix(self, long long size, bint end)
    cpdef bytes send_file_suffix(self, long long size, bint end)
    cpdef bytes send_switching(self, list fields)
    cpdef bytes take_rest(self)
    cpdef begin_refusal(self)
    cpdef bytes take_unsent(self)
    cpdef stop_keep_alive(self)
    cpdef bint response_started(self) noexcept
    cpdef bint response_complete(self) noexcept
    cpdef bint dropped_body(self) noexcept
    cpdef bint has_body(self) noexcept
    cpdef bint ends_with_connection(self) noexcept
    cpdef bint keep_alive(self) noexcept
