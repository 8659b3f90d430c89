from bascule.interfaces.exchange cimport Interface

cdef class CompositeInterface(Interface):
    cdef public tuple interfaces
