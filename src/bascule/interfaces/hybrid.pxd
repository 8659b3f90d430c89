import cython

from bascule.interfaces.composite cimport CompositeInterface
from bascule.interfaces.exchange cimport Carrier, Exchange, Interface
from bascule.protocols.events cimport Request

cdef class HybridInterface(CompositeInterface):
    cdef Interface wsgi
    cdef Interface asgi
    cdef Interface websocket
    cdef object belongs_to_loop
    cdef str root_path
    cdef str mounted

    @cython.locals(path=str, root=str, side=Interface)
    cpdef Exchange exchange(self, Request request, Carrier carrier)
