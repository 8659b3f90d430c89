import cython

cdef bytes SUSPECT

cdef class AccessLog:
    cdef list _entries
    cdef long long _unreported
    cdef object _sink
    cdef object _write

    cpdef record(self, str client, str method, bytes target, str http_version, int status, long long size,
                 double seconds, double queued=*)
    cpdef flush(self)
    cpdef close(self)
    cdef _drop(self, long long count, str reason)

@cython.locals(client=str, method=str, target=bytes, version=str, path=str, tenths=cython.longlong)
cpdef list text_lines(str now, list entries)
cdef str _safe(str text)
