import cython

cdef class NameCache:
    cdef public dict known

    cpdef tuple learn(self, bytes name)

cdef class HostCache:
    cdef public set known

    cpdef bint learn(self, bytes authority)

@cython.locals(length=cython.ulonglong, digit=int)
cpdef long long parse_length(bytes value)
cpdef bint is_forwarding(bytes name)
