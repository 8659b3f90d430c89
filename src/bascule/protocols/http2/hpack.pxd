import cython

from bascule.protocols.http2 cimport buffers, hpack_table, huffman
from bascule.protocols.http2.hpack_table cimport DynamicTable, SearchableTable

cdef int BLOCKS_REMEMBERED
cdef int LONGEST_BLOCK_REMEMBERED
cdef int MOST_REMEMBERED_FIELDS
cdef int CANDIDATES
cdef unsigned long long LARGEST_INTEGER
cdef int INTEGER_SPACE
cdef int UPDATE_SPACE
cdef int MOST_UPDATES
cdef int SCRATCH
cdef int LARGEST_SCRATCH
cdef int INDEX
cdef int PASSING
cdef int SECRET
cdef int COOKIE
cdef int SHORT_COOKIE
cdef dict NAME_RULES
cdef dict STATIC_PLACES

cdef class Decoder:
    cdef public Py_ssize_t max_list_size
    cdef public Py_ssize_t max_fields
    cdef public DynamicTable table
    cdef public Py_ssize_t allowed
    cdef public Py_ssize_t at
    cdef public bytearray scratch
    cdef public dict remembered

    @cython.locals(known=list, data="const unsigned char*", end=Py_ssize_t, size=Py_ssize_t, count=Py_ssize_t,
                   settled=bint, kept=bint, fields=list, at=Py_ssize_t, first=int, index=Py_ssize_t, prefix=int,
                   field=tuple, name=bytes, value=bytes)
    cpdef list decode(self, bytes block)
    @cython.locals(count=int, at=Py_ssize_t, size=Py_ssize_t)
    cdef Py_ssize_t update_sizes(self, const unsigned char* data, Py_ssize_t end) except -1
    @cython.locals(field=tuple)
    cdef tuple field_at(self, Py_ssize_t index)
    @cython.locals(value="unsigned long long", shift=int, byte="unsigned long long")
    cdef Py_ssize_t read_integer(self, const unsigned char* data, Py_ssize_t at, Py_ssize_t end, int prefix) except -1
    @cython.locals(at=Py_ssize_t, first=int, size=Py_ssize_t, room=Py_ssize_t, buffer=bytearray,
                   target="unsigned char*", written=Py_ssize_t)
    cdef bytes read_string(self, const unsigned char* data, Py_ssize_t end)

cdef class Encoder:
    cdef public Py_ssize_t max_table_size
    cdef public SearchableTable table
    cdef public Py_ssize_t announced
    cdef public Py_ssize_t lowest
    cdef public bint settled
    cdef public set candidates
    cdef public dict remembered

    cpdef set_max_table_size(self, Py_ssize_t size)
    @cython.locals(key=tuple, known=bytes, room=Py_ssize_t, name=bytes, value=bytes, buffer=bytearray,
                   target="unsigned char*", at=Py_ssize_t, field=tuple, block=bytes)
    cpdef bytes encode(self, object fields)
    @cython.locals(at=Py_ssize_t, limit=Py_ssize_t)
    cdef Py_ssize_t write_size_updates(self, unsigned char* target) except -1
    @cython.locals(name=bytes, value=bytes, rule=int, index=int, place=Py_ssize_t)
    cdef Py_ssize_t write_field(self, unsigned char* target, Py_ssize_t at, tuple field) except -1
    @cython.locals(candidate=object)
    cdef bint is_worth_indexing(self, tuple field, bytes name, bytes value) except -1
    @cython.locals(place=Py_ssize_t)
    cdef Py_ssize_t write_literal(self, unsigned char* target, Py_ssize_t at, int form, int prefix, Py_ssize_t index,
                                  bytes name, bytes value) except -1

cdef Py_ssize_t write_integer(unsigned char* target, Py_ssize_t at, int form, int prefix, Py_ssize_t value) noexcept
@cython.locals(size=Py_ssize_t, coded=Py_ssize_t)
cdef Py_ssize_t write_string(unsigned char* target, Py_ssize_t at, bytes string) except -1
