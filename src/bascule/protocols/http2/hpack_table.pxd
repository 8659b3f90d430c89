import cython

cdef list STATIC
cdef int STATIC_LAST
cdef int DEFAULT_SIZE
cdef int ENTRY_OVERHEAD
cdef int FIRST_ROOM

cdef class DynamicTable:
    cdef public Py_ssize_t limit
    cdef public Py_ssize_t size
    cdef public Py_ssize_t count
    cdef public Py_ssize_t added
    cdef public Py_ssize_t room
    cdef public list ring

    cpdef tuple entry(self, Py_ssize_t index)
    cpdef add(self, tuple field, Py_ssize_t size)
    cpdef resize(self, Py_ssize_t limit)
    @cython.locals(number=Py_ssize_t, place=Py_ssize_t, field=tuple, name=bytes, value=bytes)
    cdef shrink(self, Py_ssize_t size)
    @cython.locals(wider=list, number=Py_ssize_t)
    cdef widen(self)
    cdef dropped(self, tuple field, Py_ssize_t number)

cdef class SearchableTable(DynamicTable):
    cdef public dict places
    cdef public dict names

    cpdef insert(self, tuple field, Py_ssize_t size)
    @cython.locals(number=object)
    cpdef Py_ssize_t index_of_field(self, tuple field) except -1
    @cython.locals(number=object)
    cpdef Py_ssize_t index_of_name(self, bytes name) except -1
    cdef dropped(self, tuple field, Py_ssize_t number)
