import cython

from bascule.interfaces.endpoint cimport Endpoint
from bascule.protocols.events cimport Request

cdef dict KEYS

cpdef dict connection_environ(Endpoint endpoint, bint multithread, bint multiprocess)
@cython.locals(environ=dict, path=bytes)
cpdef dict request_environ(dict base, Request request, str root_path, str mounted)
@cython.locals(name=bytes, value=bytes)
cdef add_fields(dict environ, list fields)
cdef str learn_key(bytes name)
