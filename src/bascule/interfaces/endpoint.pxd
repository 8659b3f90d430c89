cdef class Endpoint:
    cdef public object client
    cdef public object server
    cdef public str scheme
    cdef public dict tls
    cdef public dict tls_environ
    cdef public dict environ
    cdef public str client_name
    cdef public bint is_local
