import cython

from bascule.interfaces.answers cimport WithoutApplication
from bascule.interfaces.composite cimport CompositeInterface
from bascule.interfaces.exchange cimport Carrier, Exchange, Interface
from bascule.interfaces.static.conditions cimport evaluate, joined, may_send_part, single
from bascule.interfaces.static.files cimport File, Files, Variant
from bascule.interfaces.static.ranges cimport Part, parse_range
from bascule.loop cimport page_cache
from bascule.protocols.events cimport Request

cdef class StaticInterface(CompositeInterface):
    cdef readonly object point
    cdef readonly Files files
    cdef readonly Interface behind
    cdef bytes fallback
    cdef bint allow_dot_files
    cdef str root_path

    @cython.locals(file=File, behind=Interface, found=Exchange)
    cpdef Exchange exchange(self, Request request, Carrier carrier)
    cdef Exchange look_up(self, Request request, Carrier carrier)
    cdef Exchange missing(self, Request request, Carrier carrier)
    cdef bytes below(self, Request request)

cdef class StaticExchange(WithoutApplication):
    cdef readonly Files files
    cdef readonly File file
    cdef readonly Variant variant
    cdef int page_status
    cdef int fd
    cdef int tries
    cdef list steps
    cdef Part held_back
    cdef bytes closing
    cdef bint reading
    cdef bint begun

    @cython.locals(request=Request, file=File, variant=Variant, asked=list, field=tuple, outcome=int)
    cpdef start(self)
    @cython.locals(variant=Variant, parts=list)
    cdef send_asked(self, list fields)
    @cython.locals(variant=Variant, body=bytes)
    cdef send_whole(self)
    cdef send_parts(self, list parts)
    @cython.locals(head=list, body=bytes)
    cdef send(self, int status, list fields, long long size, list steps)
    cpdef list described(self, list fields)
    cpdef list described_304(self)
    cdef bint open(self) except -1
    cdef close(self)
    cdef start_anew(self)
    cdef fail(self, object error)
    cdef bint has_changed(self) except -1
    cdef begin(self, list steps)
    cdef pump(self)
