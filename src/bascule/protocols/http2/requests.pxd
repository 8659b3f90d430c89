import cython

from bascule.protocols.events cimport BodyData, BodyEnd, Refused, Request
from bascule.protocols.http2.budget cimport PeerBudget
from bascule.protocols.http2.frame_reader cimport FrameReader, HeaderBlock
from bascule.protocols.http2.hpack cimport Decoder
from bascule.protocols.http2.request_head cimport RequestReader
from bascule.protocols.http2.stream cimport Stream
from bascule.protocols.http2.streams cimport StreamTable

# Compared with for every frame; as numbers of C they need no look-up.
cdef int END_STREAM
cdef int END_HEADERS
cdef int PADDED
cdef int PRIORITY_FLAG

@cython.final
cdef class RequestReceiver:
    cdef object limits
    cdef FrameReader frames
    cdef StreamTable streams
    cdef PeerBudget budget
    cdef RequestReader head_reader
    cdef Decoder decoder
    cdef public HeaderBlock block
    cdef public BodyEnd following

    @cython.locals(frames=FrameReader, stream_id="unsigned int", piece=bytes, ended=bint)
    cpdef take_headers(self)
    @cython.locals(block=HeaderBlock, stream_id="unsigned int", piece=bytes)
    cpdef take_continuation(self)
    @cython.locals(streams=StreamTable, stream=Stream, fields=list)
    cdef take_block(self, unsigned int stream_id, bytes block, bint ended)
    @cython.locals(stream=Stream, reader=RequestReader, request=Request)
    cdef begin_request(self, unsigned int stream_id, list fields, bint ended)
    @cython.locals(trailers=list)
    cdef take_trailers(self, Stream stream, list fields, bint ended)
    @cython.locals(frames=FrameReader, streams=StreamTable, stream_id="unsigned int", length=Py_ssize_t,
                   size=Py_ssize_t, stream=Stream, ended=bint)
    cpdef take_data(self)
    @cython.locals(streams=StreamTable)
    cdef discard(self, Stream stream, Py_ssize_t size, bint ended)
    @cython.locals(data=BodyData)
    cdef take_body(self, Stream stream, Py_ssize_t size, bint ended)
    cdef check_length(self, Stream stream)
    cdef BodyEnd body_end(self, Stream stream, list trailers)
    cpdef clear(self)
    @cython.locals(stream=Stream, event=Refused)
    cpdef refuse(self, object refused)
