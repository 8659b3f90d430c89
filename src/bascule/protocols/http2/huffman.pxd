import cython

cdef unsigned int EOS
cdef int LONGEST_IN_ROOT
cdef unsigned int[257] CODES
cdef unsigned char[257] SIZES
cdef unsigned short[257] SYMBOLS
cdef unsigned short[256] ROOT
cdef unsigned int[31] LIMITS
cdef int[31] PLACES

@cython.locals(entry="unsigned int", length=int)
cdef unsigned int first_symbol(unsigned int bits) noexcept
@cython.locals(window="unsigned long long", left=int, written=Py_ssize_t, entry="unsigned int", symbol="unsigned int",
               word="unsigned int", spare=int, ones="unsigned long long")
cdef Py_ssize_t decode(unsigned char* target, const unsigned char* data, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(bits=Py_ssize_t, at=Py_ssize_t)
cdef Py_ssize_t encoded_size(const unsigned char* data, Py_ssize_t size) noexcept
@cython.locals(window="unsigned long long", bits=int, at=Py_ssize_t, symbol="unsigned char")
cdef Py_ssize_t encode(unsigned char* target, Py_ssize_t to, const unsigned char* data, Py_ssize_t size) noexcept
