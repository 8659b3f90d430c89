import cython

from bascule.interfaces.asgi.awaitables cimport Wakeup
from bascule.interfaces.asgi.first_step cimport FirstStepCall, StepRunner
from bascule.interfaces.endpoint cimport Endpoint
from bascule.interfaces.exchange cimport Exchange, Interface
from bascule.protocols.events cimport Request

cdef class AsgiCall(FirstStepCall):
    cdef public AsgiCaller interface
    cdef public object task

    @cython.locals(wakeup=Wakeup)
    cpdef wake_reader(self)
    cpdef scope(self)
    cpdef judge_return(self)
    cpdef fail(self, str what, object error)
    cpdef note_return(self)
    cpdef bint is_unheard(self) except -1
    cpdef Wakeup wait(self)
    cpdef Wakeup wait_first(self)
    cpdef log_failure(self, str what, object error)

cdef dict ASGI
cdef int PERCENT

cdef class AsgiCaller(Interface):
    cdef public object app
    cdef public object loop
    cdef public str root_path
    cdef str stripped
    cdef str mounted
    cdef public object state
    cdef public set started
    cdef public object stopping
    cdef public dict extensions
    cdef public dict websocket_extensions
    cdef public dict http_scope
    cdef public dict websocket_scope
    cdef public bint tls
    cdef StepRunner runner

    @cython.locals(offered=dict, content=dict)
    cpdef dict offer(self, dict extensions)
    cdef begin_task(self, AsgiCall call)
    cdef dict scope_template(self, str kind)
    @cython.locals(raw_path=bytes, path=str, stripped=str, scope=dict, state=dict)
    cpdef dict scope(self, dict template, Request request, Endpoint endpoint, dict extensions)
