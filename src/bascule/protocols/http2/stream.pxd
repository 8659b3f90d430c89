import cython

from bascule.protocols.http2.flow cimport ReceiveWindow

cdef class Stream:
    cdef public unsigned int id
    cdef public double opened_at
    cdef public double ended_at
    cdef public double last_piece_at
    cdef public bint closed
    cdef public bint remote_ended
    cdef public bint local_ended
    cdef public ReceiveWindow window
    cdef public long long content_length
    cdef public long long received
    cdef public long long unconsumed
    cdef public bint discards
    cdef public long long discarded
    cdef public bint wants_trailers
    cdef public bint waits_for_continue
    cdef public bint tunnel
    cdef public long long send_window
    cdef public object queue
    cdef public Py_ssize_t offset
    cdef public long long queued
    cdef public bint ending
    cdef public list trailers
    cdef public bint congested
    cdef public bint head_only
    cdef public bint started
    cdef public bint complete
    cdef public bint dropped_body
    cdef public int framing
    cdef public long long remaining
    cdef public int urgency
    cdef public bint incremental
    cdef public bint scheduled

    cpdef enqueue(self, bytes data)
    @cython.locals(piece=bytes, left=Py_ssize_t)
    cpdef bytes dequeue(self, Py_ssize_t most)
