# The compiled twins of scanning.py, inlined into the modules that cimport them.

from libc.string cimport memchr, memcmp, memcpy

cdef inline bint same(const unsigned char* data, Py_ssize_t at, const unsigned char* piece,
                      Py_ssize_t size) noexcept:
    return memcmp(data + at, piece, size) == 0

cdef inline Py_ssize_t find(const unsigned char* data, int byte, Py_ssize_t at,
                            Py_ssize_t end) noexcept:
    cdef const void* found = memchr(data + at, byte, end - at)
    return -1 if found == NULL else <const unsigned char*>found - data

cdef inline bint is_text(const unsigned char* data, Py_ssize_t at, Py_ssize_t end) noexcept:
    cdef unsigned long long ones = 0x0101010101010101
    cdef unsigned long long word
    cdef unsigned long long deletes
    while at + 8 <= end:
        # memcpy of a constant size is one load, at any alignment.
        memcpy(&word, data + at, 8)
        deletes = word ^ (ones * 0x7F)
        # The highest bit of a byte is set behind the first that is below a space, or a DELETE.
        if ((word - ones * 0x20) & ~word | (deletes - ones) & ~deletes) & (ones * 0x80):
            break
        at += 8
    # The bytes that are left, or from the word on that has a tab or worse.
    while at < end:
        if data[at] < 0x20 and data[at] != 0x09 or data[at] == 0x7F:
            return False
        at += 1
    return True

cdef inline unsigned int tag(const unsigned char* data, Py_ssize_t at, Py_ssize_t end) noexcept:
    cdef unsigned int last
    cdef unsigned int middle = 0
    cdef unsigned int mixed
    memcpy(&last, data + end - 4, 4)
    if end - at >= 8:
        memcpy(&middle, data + ((at + end) >> 1) - 4, 4)
    mixed = last * 0x1E3779B1 + middle * 0x45EBCA6B + (data[at] + (<unsigned int>(end - at) << 8)) * 0x42B2AE35
    return (mixed ^ mixed >> 15) * 0x2C1B3C6D >> 24
