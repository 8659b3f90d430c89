# The compiled twin of masking.py, inlined into the modules that cimport it.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

cdef inline bytes unmask(bytes data, Py_ssize_t start, Py_ssize_t size, unsigned int key):
    cdef bytes result = PyBytes_FromStringAndSize(NULL, size)
    cdef const char* source = PyBytes_AS_STRING(data) + start
    cdef char* target = PyBytes_AS_STRING(result)
    cdef unsigned char pattern[8]
    cdef unsigned long long wide
    cdef unsigned long long word
    cdef Py_ssize_t at = 0
    cdef int i
    for i in range(8):
        pattern[i] = (key >> (24 - 8 * (i & 3))) & 0xFF
    memcpy(&wide, pattern, 8)
    # memcpy of a constant size is one load or store, at any alignment, in any byte order.
    while at + 8 <= size:
        memcpy(&word, source + at, 8)
        word ^= wide
        memcpy(target + at, &word, 8)
        at += 8
    while at < size:
        target[at] = source[at] ^ pattern[at & 7]
        at += 1
    return result

cdef inline unsigned int turn(unsigned int key, Py_ssize_t size) noexcept:
    cdef int shift = (size & 3) * 8
    return key if shift == 0 else key << shift | key >> (32 - shift)
