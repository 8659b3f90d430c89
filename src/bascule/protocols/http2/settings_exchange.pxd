import cython

from bascule.protocols.http2.budget cimport PeerBudget
from bascule.protocols.http2.frames cimport add_header, add_window_update
from bascule.protocols.http2.outbox cimport Outbox
from bascule.protocols.http2.streams cimport StreamTable

@cython.final
cdef class SettingsExchange:
    cdef StreamTable streams
    cdef Outbox outbox
    cdef PeerBudget budget
    cdef public bint acked
    cdef public long long no_priorities

    cpdef take(self, int flags, bytes payload)
    cdef apply(self, unsigned int name, long long value)
