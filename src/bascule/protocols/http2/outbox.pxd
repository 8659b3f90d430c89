import cython

from bascule.protocols.http2.budget cimport PeerBudget
from bascule.protocols.http2.frames cimport add_block, add_header
from bascule.protocols.http2.hpack cimport Encoder
from bascule.protocols.http2.priority cimport Scheduler
from bascule.protocols.http2.stream cimport Stream

# Compared with for every frame; as numbers of C they need no look-up.
cdef int DATA
cdef int END_STREAM
cdef int LONGEST_PAYLOAD
cdef long long LARGEST_WINDOW
cdef int SEND_HIGH_WATER
cdef int SEND_LOW_WATER

@cython.final
cdef class Outbox:
    cdef PeerBudget budget
    cdef public bytearray outgoing
    cdef public Encoder encoder
    cdef public Scheduler scheduler
    cdef public long long send_window
    cdef public long long sent
    cdef public long long unsent
    cdef public list relieved

    @cython.locals(outgoing=bytearray)
    cpdef bytearray take(self)
    cpdef list take_relieved(self)
    cpdef bint held_shut(self)
    cpdef add_fields(self, Stream stream, list fields, int flags)
    @cython.locals(size=Py_ssize_t)
    cpdef put(self, Stream stream, bytes data, bint end)
    @cython.locals(scheduler=Scheduler, stream=Stream, size=cython.longlong, piece=bytes)
    cpdef Stream write_next(self, Py_ssize_t most)
    cpdef relieve(self, Stream stream)
    @cython.locals(size=Py_ssize_t, trailers=list, flags=int)
    cdef add_data(self, Stream stream, bytes piece, bint end)
    cpdef widen(self, long long increment)
    cpdef widen_stream(self, Stream stream, long long increment)
    cpdef move_window(self, Stream stream, long long difference)
    cpdef drop(self, Stream stream)
