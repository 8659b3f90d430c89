import cython

cdef class Validators:
    cdef readonly bytes entity_tag
    cdef readonly long long modified

@cython.locals(field=bytes, value=bytes, found=bytes)
cpdef bytes joined(list fields, bytes name)
@cython.locals(field=bytes, value=bytes, found=bytes)
cpdef bytes single(list fields, bytes name)
@cython.locals(wanted=bytes, known=bytes)
cpdef int evaluate(list fields, Validators current) except -1
cpdef bint may_send_part(list fields, Validators current) except -1
cdef object date_of(list fields, bytes name)
cdef bint matches_strongly(bytes wanted, bytes entity_tag) except -1
cdef bint matches_weakly(bytes known, bytes entity_tag) except -1
cpdef list entity_tags(bytes value)
