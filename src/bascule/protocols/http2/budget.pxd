import cython

cdef int RESPONSE_EARNS
cdef int FRAME_EARNS
cdef long long UPDATES_A_FRAME
cdef long long BYTES_AN_UPDATE
cdef long long MOST_FREE_UPDATES
cdef long long REQUEST_UPDATES

@cython.final
cdef class Budget:
    cdef public double left
    cdef public double most
    cdef public double rate

    cpdef bint spend(self, long long cost) noexcept
    cpdef void earn(self, double amount) noexcept
    cpdef void replenish(self, double seconds) noexcept

@cython.final
cdef class PeerBudget:
    cdef public Budget resets
    cdef public Budget frames
    cdef public long long updates

    cpdef charge_frames(self, int cost)
    cpdef charge_reset(self)
    cpdef charge_update(self)
    cpdef void request_opened(self) noexcept
    cpdef void frame_sent(self, Py_ssize_t size) noexcept
    cpdef void response_sent(self) noexcept
    cdef void allow_updates(self, long long number) noexcept
    cpdef void replenish(self, double seconds) noexcept
