import cython

from bascule.interfaces.endpoint cimport Endpoint
from bascule.pep3333 cimport add_fields, base_environ, strip_root
from bascule.protocols.events cimport Request

cdef int PERCENT

cpdef dict connection_environ(Endpoint endpoint, bint multithread, bint multiprocess)
@cython.locals(environ=dict, path=bytes)
cpdef dict request_environ(dict base, Request request, str root_path, str mounted)
