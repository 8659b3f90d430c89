import cython

from bascule.protocols.websocket.deflate cimport Deflate
from bascule.protocols.websocket.frames cimport FrameHeader, frame
from bascule.protocols.websocket cimport masking

# Compared with for every frame; as numbers of C they need no look-up.
cdef int HEADER
cdef int PAYLOAD
cdef int OVER
cdef int CONTINUATION
cdef int TEXT
cdef int BINARY
cdef int CLOSE
cdef int PING
cdef int PONG
cdef int RSV1
cdef int LONGEST_CONTROL
cdef Py_ssize_t INFLATED_AT_ONCE
cdef Py_ssize_t WORTH_COMPRESSING

cdef class WebSocketEngine:
    cdef public object limits
    cdef unsigned long long longest_frame
    cdef long long longest_message
    cdef public Deflate deflate
    cdef FrameHeader header
    cdef bytes buffer
    cdef Py_ssize_t position
    cdef bytearray pending
    cdef bint eof
    cdef public int state
    cdef public long long turn
    cdef public bint cut_short
    cdef public bint close_sent
    cdef public bint close_received
    cdef long long left
    cdef unsigned int key
    cdef bint final
    cdef int opcode
    cdef Deflate inflater
    cdef long long fragments
    cdef long long size
    cdef bytearray message
    cdef bytes unfinished

    cpdef receive_data(self, bytes data)
    cpdef receive_eof(self)
    @cython.locals(before=Py_ssize_t)
    cpdef next_event(self)
    @cython.locals(pending=bytearray)
    cdef bint refill(self) except -1
    cdef lost(self)
    cdef fail(self, int code, str reason)
    cdef end(self)
    @cython.locals(header=FrameHeader)
    cdef next_frame(self)
    @cython.locals(opcode=int, start=Py_ssize_t, size=Py_ssize_t)
    cdef next_control(self, FrameHeader header)
    @cython.locals(code=int, reason=str)
    cdef read_close(self, bytes payload)
    @cython.locals(length=cython.longlong)
    cdef begin_frame(self, FrameHeader header)
    cdef begin_message(self, FrameHeader header)
    cdef continue_message(self, FrameHeader header)
    cdef too_long(self)
    @cython.locals(start=Py_ssize_t, size=Py_ssize_t, data=bytes, ends=bint, inflater=Deflate,
                   gathered=bytearray)
    cdef take_payload(self)
    @cython.locals(piece=bytes, gathered=bytearray)
    cdef bytearray inflate(self, Deflate inflater, bytes data, bint ends)
    @cython.locals(data_and_before=bytes, decoded=tuple, gathered=bytearray)
    cdef bytearray keep(self, bytes data)
    @cython.locals(is_text=bint)
    cdef end_message(self, object data)
    @cython.locals(data=bytes)
    cpdef bytes send_text(self, str text)
    cpdef bytes send_binary(self, bytes data)
    cdef bytes send_message(self, int opcode, bytes data)
    cpdef bytes send_ping(self, bytes payload=*)
    cpdef bytes send_pong(self, bytes payload)
    cdef bytes send_control(self, int opcode, bytes payload)
    cpdef bytes send_close(self, object code, str reason=*)
    cdef closed(self)
