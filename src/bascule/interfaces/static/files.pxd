import cython

from bascule.interfaces.static.conditions cimport Validators

cdef class Variant:
    cdef readonly bytes path
    cdef readonly long long size
    cdef readonly tuple identity
    cdef readonly Validators validators
    cdef readonly list fields
    cdef readonly list whole
    cdef readonly list not_modified
    cdef public bytes body

cdef class File:
    cdef readonly Variant plain
    cdef readonly dict coded
    cdef public double looked_up

    cpdef Variant choose(self, bytes accept_encoding)

cdef class Files:
    cdef long long _memory
    cdef long long _used
    cdef dict _paths
    cdef dict _recent
    cdef readonly object policy
    cdef readonly object tree

    @cython.locals(file=File)
    cpdef File recall(self, bytes request_path)
    cpdef note(self, bytes request_path, File file)
    @cython.locals(known=File)
    cpdef object find(self, bytes path)
    cpdef int open(self, Variant variant) except? -1
