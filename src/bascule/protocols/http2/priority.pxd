import cython

from bascule.protocols.http2.stream cimport Stream

cdef class Scheduler:
    cdef list levels
    cdef public int ready

    cpdef add(self, Stream stream)
    cpdef remove(self, Stream stream)
    cpdef Stream first(self)
    cpdef served(self, Stream stream)
    @cython.locals(scheduled=bint)
    cpdef reprioritize(self, Stream stream, int urgency, bint incremental)
