import cython

# Compared with for every frame; as numbers of C they need no look-up.
cdef int HEADER_SIZE
cdef int LONGEST_PAYLOAD

@cython.final
cdef class FrameReader:
    cdef bytes buffer
    cdef Py_ssize_t position
    cdef bytearray pending
    cdef Py_ssize_t needed
    cdef public bint preface_due
    cdef public int kind
    cdef public int flags
    cdef public unsigned int stream_id
    cdef public Py_ssize_t start
    cdef public Py_ssize_t end

    @cython.locals(left=Py_ssize_t)
    cpdef receive_data(self, bytes data)
    cpdef Py_ssize_t buffered(self)
    cpdef clear(self)
    @cython.locals(data="const unsigned char*", at=Py_ssize_t, there=Py_ssize_t, length=Py_ssize_t)
    cpdef bint next_frame(self) except -1
    cdef bint take_preface(self) except -1
    cpdef bytes payload(self)
    @cython.locals(data="const unsigned char*", at=Py_ssize_t)
    cpdef unsigned int number_at(self, Py_ssize_t offset) noexcept
    @cython.locals(data="const unsigned char*", padding=int)
    cpdef strip_padding(self)
    cpdef strip_priority(self)

@cython.final
cdef class HeaderBlock:
    cdef public Py_ssize_t longest
    cdef public Py_ssize_t most_frames
    cdef public unsigned int stream_id
    cdef public bint ended
    cdef list pieces
    cdef long long size
    cdef Py_ssize_t frames

    cpdef begin(self, unsigned int stream_id, bytes piece, bint ended)
    cpdef add(self, bytes piece)
    cpdef bytes finish(self)
