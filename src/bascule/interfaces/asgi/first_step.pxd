import cython

from bascule.interfaces.asgi.awaitables cimport AwaitedCall

cdef object FINISHED
cdef object STEP

cdef class FirstStepCall(AwaitedCall):
    cpdef call_application(self)
    cpdef conclude(self, object error)

@cython.final
@cython.freelist(8)
cdef class CallCoroutine:
    cdef FirstStepCall call
    cdef object coroutine
    cdef bint holds
    cdef object outcome
    cdef object error

    cpdef step(self)
    cdef resume(self, object thrown)
    cdef throw_in(self, object thrown)
    cdef hold(self, object outcome)
    cdef hand_over(self)
    cdef cancel_again(self, object error)

@cython.final
cdef class StepRunner:
    cdef readonly object loop
    cdef readonly CallCoroutine coroutine
    cdef object base_context
    cdef bint lazy
    cdef object spare
    cdef Py_ssize_t references
    cdef Py_ssize_t weak_references
    cdef object context
    cdef object task
    cdef object step

    cpdef begin(self, FirstStepCall call)
    cdef deliver(self, CallCoroutine coroutine, object context, object outcome)
    cdef make_spare(self)
    cdef take_spare(self)
    cpdef bint initialize(self) except -1
    cdef init_task(self, object task, object coroutine, object context)
    cdef begin_task(self, object coroutine, object context)

# At the end: it needs what is declared above.
from bascule.interfaces.asgi cimport stepping
