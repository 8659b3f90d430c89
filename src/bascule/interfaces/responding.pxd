import cython

from bascule.interfaces.exchange cimport Exchange

cdef int ABORT
cdef int ANSWER
cdef int COMPLETE
cdef int FORBIDDEN
cdef int HEAD_KEPT
cdef int IDLE
cdef bytes NEXT_STATES
cdef int STEPS
cdef int SWITCH
cdef int SWITCHED
cdef int TRAILERS

cdef class RespondingExchange(Exchange):
    cdef public int state

    cdef bint allows(self, int step) except -1
    @cython.locals(state=int, following=int)
    cpdef int commit(self, int step) except -1
    cpdef take_back(self, int state)
    cpdef respond(self, int step, int status, list fields, bytes body, bytes reason=*)
    @cython.locals(before=int)
    cpdef send_piece(self, int step, bytes data)
    @cython.locals(before=int)
    cpdef send_part(self, int step, object file, long long offset, long long count)
    @cython.locals(before=int)
    cpdef end_with(self, list trailers)
    @cython.locals(before=int)
    cpdef switch(self, object session, str subprotocol, list fields)
    cpdef answer(self, int status, list fields, bytes body)
    cpdef give_up(self)
    cpdef break_off(self)
