cdef class NameCache:
    cdef public dict known

    cpdef tuple learn(self, bytes name)

cdef class HostCache:
    cdef public set known

    cpdef bint learn(self, bytes authority)

cpdef long long parse_length(bytes value)
cpdef bint is_forwarding(bytes name)
