from bascule.interfaces.exchange cimport Exchange

cdef class WebSocketCarrier:
    cdef public bint congested

    cpdef send_text(self, str text)
    cpdef send_binary(self, bytes data)
    cpdef send_ping(self, bytes payload)
    cpdef close(self, int code, str reason)
    cpdef hold(self)
    cpdef proceed(self)

cdef class WebSocketSession:
    cdef public Exchange call
    cdef public WebSocketCarrier carrier
    cdef public object messages
    cdef public Py_ssize_t most_messages
    cdef public long long received
    cdef public long long consumed
    cdef public bint held
    cdef public bint owed
    cdef public bint pending
    cdef public bint echo
    cdef public bint closed
    cdef public int code
    cdef public str reason
    cdef public int stop_code
    cdef public bint in_place

    cpdef receive_message(self, object message)
    cpdef end(self, int code, str reason, bint echo)
    cpdef conclude(self)
    cpdef lose(self)
    cpdef stop(self)
    cpdef resume_writing(self)
    cpdef note_closed(self)
    cpdef take(self)
    cpdef proceed(self)
    cpdef send_text(self, str text)
    cpdef send_binary(self, bytes data)
    cpdef send_ping(self, bytes payload)
    cpdef close(self, int code, str reason)
