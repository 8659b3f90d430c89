# The compiled twins of buffers.py, inlined into the modules that cimport them.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

cdef inline Py_ssize_t put(unsigned char* buffer, Py_ssize_t at, bytes data) noexcept:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    memcpy(buffer + at, PyBytes_AS_STRING(data), size)
    return at + size

cdef inline bytes taken(const unsigned char* buffer, Py_ssize_t size):
    return PyBytes_FromStringAndSize(<const char*>buffer, size)
