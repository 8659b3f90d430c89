# The compiled twins of page_cache.py, inlined into the modules that cimport it.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize

cdef extern from *:
    """
    #include <sys/uio.h>

    static Py_ssize_t bascule_read_cached(int fd, char *buffer, Py_ssize_t size, long long at) {
    #ifdef RWF_NOWAIT
        struct iovec piece;
        piece.iov_base = buffer;
        piece.iov_len = (size_t)size;
        return preadv2(fd, &piece, 1, (off_t)at, RWF_NOWAIT);
    #else
        (void)fd, (void)buffer, (void)size, (void)at;
        return -1;
    #endif
    }
    """
    Py_ssize_t bascule_read_cached(int fd, char *buffer, Py_ssize_t size, long long at)

cdef inline bytes read_cached(int fd, Py_ssize_t size, long long position):
    cdef bytes piece = PyBytes_FromStringAndSize(NULL, size)
    cdef Py_ssize_t got = bascule_read_cached(fd, PyBytes_AS_STRING(piece), size, position)
    if got < 0:
        return None
    return piece if got == size else piece[:got]

cdef inline bint is_cached(int fd, Py_ssize_t size, long long position):
    cdef char probe
    cdef long long last = position + size - 1
    while position < last:
        if bascule_read_cached(fd, &probe, 1, position) < 0:
            return False
        position += 131072
    return bascule_read_cached(fd, &probe, 1, last) >= 0
