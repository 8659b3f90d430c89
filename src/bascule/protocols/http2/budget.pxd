cdef class Budget:
    cdef public double left
    cdef public double most
    cdef public double rate

    cpdef bint spend(self, long long cost)
    cpdef earn(self, double amount)
    cpdef replenish(self, double seconds)
