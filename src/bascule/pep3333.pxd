import cython

cdef dict STATUSES
cdef dict STATUS_LINES
cdef dict ENCODED_NAMES
cdef dict KEYS
cdef dict FIELD_NAMES

cpdef tuple read_status(object status)
cdef tuple learn_status(object status)
@cython.locals(encoded=bytes, text=str, data=bytes)
cpdef tuple encode_field(object name, object value)
@cython.locals(environ=dict)
cpdef dict base_environ(str scheme, object server, object client, bint multithread, bint multiprocess)
cpdef str strip_root(str path, str root)
@cython.locals(name=bytes, value=bytes)
cpdef add_fields(dict environ, list fields)
cdef str learn_key(bytes name)
cpdef bytes join(object pieces)
cpdef close(object iterable)
