# The compiled twin of writing.py, inlined into the module that cimports it.

from cpython.bytearray cimport (
    PyByteArray_AS_STRING,
    PyByteArray_FromStringAndSize,
    PyByteArray_GET_SIZE,
    PyByteArray_Resize,
)
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcpy

from bascule.protocols cimport scanning
from bascule.protocols.response_fields cimport check_field, kind_of

cdef extern from *:
    """
    /* The buffer that no head is being written into, if there is one. A head takes it, so that
       another thread or a nested call gets one of its own. */
    static PyObject *bascule_kept = NULL;

    /* RFC 9110 section 5.6.2: 1 for the bytes of a token. */
    static const unsigned char bascule_token[256] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        /*   ! " # $ % & ' ( ) * + , - . / 0 1 2 3 4 5 6 7 8 9 : ; < = > ? */
        0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0,
        /* @ A ... Z [ \\ ] ^ _ */
        0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1,
        /* ` a ... z { | } ~ DEL */
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0,
    };

    /* By length: the first letters of the names that `KINDS` in headers.py has, one bit for each. */
    #define BIT(letter) (1u << ((letter) & 31))
    static const unsigned int bascule_firsts[18] = {
        [2] = BIT('t'),
        [4] = BIT('d') | BIT('h'),
        [5] = BIT('p'),
        [6] = BIT('s') | BIT('e'),
        [7] = BIT('u') | BIT('t'),
        [10] = BIT('c') | BIT('k'),
        [14] = BIT('c'),
        [16] = BIT('p'),
        [17] = BIT('t'),
    };
    #undef BIT
    """
    PyObject *bascule_kept
    const unsigned char bascule_token[256]
    const unsigned int bascule_firsts[18]

cdef enum:
    # Most heads are smaller than the first, and hardly one is longer than the second, above which
    # a buffer is not kept.
    FIRST_ROOM = 2048
    MOST_KEPT = 65536

cdef inline bytearray blank():
    global bascule_kept
    cdef bytearray buffer
    if bascule_kept == NULL:
        return PyByteArray_FromStringAndSize(NULL, FIRST_ROOM)
    buffer = <bytearray>bascule_kept
    bascule_kept = NULL
    Py_DECREF(buffer)
    return buffer

cdef inline unsigned char *room(bytearray buffer, Py_ssize_t at, Py_ssize_t size) except NULL:
    if at + size > PyByteArray_GET_SIZE(buffer):
        PyByteArray_Resize(buffer, 2 * (at + size))
    return <unsigned char *>PyByteArray_AS_STRING(buffer) + at

cdef inline Py_ssize_t put(bytearray buffer, Py_ssize_t at, bytes piece) except -1:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(piece)
    memcpy(room(buffer, at, size), PyBytes_AS_STRING(piece), size)
    return at + size

cdef inline Py_ssize_t put_digits(
    bytearray buffer, Py_ssize_t at, unsigned long long number, unsigned int base
) except -1:
    cdef unsigned char digits[24]
    cdef Py_ssize_t start = 24
    while True:
        start -= 1
        digits[start] = b"0123456789abcdef"[number % base]
        number //= base
        if number == 0:
            break
    memcpy(room(buffer, at, 24 - start), digits + start, 24 - start)
    return at + 24 - start

cdef inline Py_ssize_t put_decimal(bytearray buffer, Py_ssize_t at, unsigned long long number) except -1:
    return put_digits(buffer, at, number, 10)

cdef inline Py_ssize_t put_hexadecimal(bytearray buffer, Py_ssize_t at, unsigned long long number) except -1:
    return put_digits(buffer, at, number, 16)

cdef inline int field_kind(object name, object value) except -1:
    # Most names are looked up nowhere: their length and first letter show that they are plain, and
    # `put_field` checks that they are tokens.
    cdef Py_ssize_t size
    if PyBytes_CheckExact(name) and PyBytes_CheckExact(value):
        size = PyBytes_GET_SIZE(name)
        if size and not (
            size < 18 and bascule_firsts[size] >> ((<unsigned char *>PyBytes_AS_STRING(name))[0] & 31) & 1
        ):
            return 0
    return kind_of(name, value)

cdef inline Py_ssize_t put_field(bytearray buffer, Py_ssize_t at, object name, object value) except -1:
    cdef Py_ssize_t name_size = PyBytes_GET_SIZE(name)
    cdef Py_ssize_t value_size = PyBytes_GET_SIZE(value)
    cdef const unsigned char *letters = <const unsigned char *>PyBytes_AS_STRING(name)
    cdef const unsigned char *content = <const unsigned char *>PyBytes_AS_STRING(value)
    cdef unsigned char *to = room(buffer, at, name_size + value_size + 4)
    cdef unsigned char token = name_size > 0
    cdef Py_ssize_t i
    for i in range(name_size):
        token &= bascule_token[letters[i]]
        to[i] = letters[i]
    to += name_size
    to[0] = c":"
    to[1] = c" "
    memcpy(to + 2, content, value_size)
    to += 2 + value_size
    to[0] = c"\r"
    to[1] = c"\n"
    if not token or not scanning.is_text(content, 0, value_size):
        check_field(name, value)
    return at + name_size + value_size + 4

cdef inline bytes finish(bytearray buffer, Py_ssize_t at, bytes body, bytes tail):
    global bascule_kept
    cdef Py_ssize_t body_size = PyBytes_GET_SIZE(body)
    cdef Py_ssize_t tail_size = PyBytes_GET_SIZE(tail)
    cdef bytes whole = PyBytes_FromStringAndSize(NULL, at + body_size + tail_size)
    cdef char *to = PyBytes_AS_STRING(whole)
    memcpy(to, PyByteArray_AS_STRING(buffer), at)
    memcpy(to + at, PyBytes_AS_STRING(body), body_size)
    memcpy(to + at + body_size, PyBytes_AS_STRING(tail), tail_size)
    if bascule_kept == NULL and PyByteArray_GET_SIZE(buffer) <= MOST_KEPT:
        Py_INCREF(buffer)
        bascule_kept = <PyObject *>buffer
    return whole
