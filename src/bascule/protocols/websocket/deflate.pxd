cdef class Deflate:
    cdef public bint server_no_context_takeover
    cdef public bint client_no_context_takeover
    cdef public int server_max_window_bits
    cdef public int client_max_window_bits
    cdef public object compressor
    cdef public object decompressor
    cdef bytes unread
    cdef bint full
    cdef bint unended
    cdef bint end
    cdef int streams

    cpdef bytes compress(self, bytes data)
    cpdef feed(self, bytes data, bint end)
    cpdef bytes inflate(self, Py_ssize_t room)
    cdef bytes inflate_unread(self, Py_ssize_t room)
    cdef end_stream(self, bytes rest)
    cdef end_message(self)
