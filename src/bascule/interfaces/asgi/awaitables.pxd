from bascule.interfaces.responding cimport RespondingExchange

cdef class AwaitedCall(RespondingExchange):
    cdef public list waiters

    cpdef next_message(self)
    cpdef bint is_congested(self) except -1
    cpdef Wakeup wait(self)
    cpdef Wakeup wait_first(self)

cdef class ReadyAwaitable:
    pass

cdef class YieldAwaitable:
    cdef bint has_yielded

cdef class Wakeup:
    cdef public bint _asyncio_future_blocking
    cdef object loop
    cdef object callback
    cdef object context
    cdef bint was_cancelled

    cpdef wake(self)
    cpdef wake_now(self)

cdef class CallAwaitable:
    cdef AwaitedCall call
    cdef bint finished
    cdef Wakeup wakeup

    cdef attempt(self)
    cdef advance(self)
    cdef step(self)
    cdef Wakeup wait(self)

cdef class ReceiveAwaitable(CallAwaitable):
    pass

cdef class DrainAwaitable(CallAwaitable):
    pass

# At the end: it needs what is declared above.
from bascule.interfaces.asgi cimport am_send
