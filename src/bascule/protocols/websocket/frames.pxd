import cython

cdef int FIN
cdef int RSV
cdef int OPCODE
cdef int MASK
cdef int LENGTH_MASK
cdef int LONGEST_SHORT
cdef int LENGTH_16
cdef int LENGTH_64
cdef int LONGEST_16
cdef object HEADER_16
cdef object HEADER_64
cdef dict SHORT_HEADERS

cdef class FrameHeader:
    cdef public bint fin
    cdef public int rsv
    cdef public int opcode
    cdef public bint masked
    cdef public Py_ssize_t size
    cdef public unsigned long long length
    cdef public bint minimal
    cdef public unsigned int key

    @cython.locals(there=Py_ssize_t, data="const unsigned char*", first=int, second=int,
                   length="unsigned long long", at=Py_ssize_t)
    cpdef bint read(self, bytes buffer, Py_ssize_t position) except -1
    @cython.locals(length="unsigned long long", data="const unsigned char*", end=Py_ssize_t)
    cdef unsigned long long read_length(self, bytes buffer, Py_ssize_t at, int form) except? 0

@cython.locals(header=FrameHeader)
cpdef tuple read_header(bytes buffer, Py_ssize_t position)
@cython.locals(first=int, size=Py_ssize_t, headers=list)
cpdef bytes frame(int bits, bytes payload)
