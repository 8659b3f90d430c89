import cython

cpdef add_header(bytearray out, Py_ssize_t length, int kind, int flags, unsigned int stream_id)
cpdef add_number(bytearray out, unsigned int number)
@cython.locals(size=Py_ssize_t, at=Py_ssize_t, piece=bytes)
cpdef add_block(bytearray out, bytes block, int flags, unsigned int stream_id)
cpdef add_window_update(bytearray out, unsigned int stream_id, unsigned int increment)
cpdef add_rst_stream(bytearray out, unsigned int stream_id, unsigned int code)
