import cython

from bascule.interfaces.composite cimport CompositeInterface
from bascule.interfaces.exchange cimport Carrier, Exchange, Interface
from bascule.protocols.events cimport Request

cdef class FrontInterface(CompositeInterface):
    cdef list places
    cdef tuple beginnings
    cdef Py_ssize_t longest
    cdef Interface chooser
    cdef Interface rest

    @cython.locals(path=bytes, beginning=bytes, interface=Interface)
    cpdef Exchange exchange(self, Request request, Carrier carrier)
