from bascule.interfaces.exchange cimport Exchange

cdef class WithoutApplication(Exchange):
    pass

cdef class ServerResponse(WithoutApplication):
    cdef public tuple response
