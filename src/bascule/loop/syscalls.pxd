# The compiled twins of syscalls.py, inlined into the modules that cimport them.

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetFromErrno
from cpython.unicode cimport PyUnicode_FromString
from libc.errno cimport EAGAIN, EINTR, errno

cdef extern from *:
    """
    #include <arpa/inet.h>
    #include <netinet/in.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <sys/types.h>
    #include <unistd.h>

    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif

    #ifdef __linux__
    #include <sys/epoll.h>

    static int bascule_accept(int fd, struct sockaddr *address, socklen_t *size) {
        return accept4(fd, address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    #else
    /* Compiled, and never called: without epoll there is no poller. */
    #include <errno.h>
    #include <stdint.h>

    #define EPOLL_CTL_ADD 1
    #define EPOLL_CTL_DEL 2
    #define EPOLL_CTL_MOD 3

    typedef union { int fd; } epoll_data_t;
    struct epoll_event { uint32_t events; epoll_data_t data; };

    static int epoll_wait(int fd, struct epoll_event *events, int most, int timeout) {
        errno = ENOSYS;
        return -1;
    }

    static int epoll_ctl(int fd, int what, int number, struct epoll_event *event) {
        errno = ENOSYS;
        return -1;
    }

    static int bascule_accept(int fd, struct sockaddr *address, socklen_t *size) {
        errno = ENOSYS;
        return -1;
    }
    #endif
    """
    ctypedef unsigned int socklen_t
    ctypedef union epoll_data_t:
        int fd
    struct epoll_event:
        unsigned int events
        epoll_data_t data
    struct sockaddr:
        unsigned short sa_family
    struct sockaddr_storage:
        unsigned short ss_family
    struct in_addr:
        pass
    struct in6_addr:
        pass
    struct sockaddr_in:
        unsigned short sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_port
        unsigned int sin6_flowinfo
        in6_addr sin6_addr
        unsigned int sin6_scope_id
    int EPOLL_CTL_ADD
    int EPOLL_CTL_DEL
    int EPOLL_CTL_MOD
    int AF_INET
    int AF_INET6
    int MSG_NOSIGNAL
    int epoll_wait(int fd, epoll_event* events, int most, int timeout)
    int epoll_ctl(int fd, int what, int number, epoll_event* event)
    int bascule_accept(int fd, sockaddr* address, socklen_t* size)
    int getsockname(int fd, sockaddr* address, socklen_t* size)
    ssize_t recv(int fd, void* buffer, size_t size, int flags)
    ssize_t c_send "send"(int fd, const void* buffer, size_t size, int flags)
    const char* inet_ntop(int family, const void* source, char* target, socklen_t size)
    unsigned short ntohs(unsigned short number)
    unsigned int ntohl(unsigned int number)
    size_t strnlen(const char* text, size_t most)
    unicode PyUnicode_DecodeFSDefaultAndSize(const char* text, Py_ssize_t size)

cdef inline list wait(object epoll, int fd, int most):
    cdef epoll_event events[64]
    cdef int count = epoll_wait(fd, events, most if most < 64 else 64, 0)
    cdef list ready = []
    cdef int i
    if count < 0:
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
        return ready
    for i in range(count):
        ready.append((<long long>events[i].data.fd) << 32 | events[i].events)
    return ready

cdef inline int change(object epoll, int fd, int number, unsigned int before, unsigned int events) except -1:
    cdef epoll_event event
    cdef int what = EPOLL_CTL_MOD if events else EPOLL_CTL_DEL
    if before == 0:
        what = EPOLL_CTL_ADD
    event.events = events
    event.data.fd = number
    if epoll_ctl(fd, what, number, &event) < 0:
        PyErr_SetFromErrno(OSError)
    return 0

cdef inline bytes receive(int fd):
    # On the stack: a new bytes object of this size for each read would be cut to the size of what
    # has come, and leave a hole behind.
    cdef char buffer[65536]
    cdef ssize_t size = recv(fd, buffer, 65536, 0)
    if size < 0:
        if errno != EAGAIN and errno != EINTR:
            PyErr_SetFromErrno(OSError)
        return None
    return PyBytes_FromStringAndSize(buffer, size)

cdef inline Py_ssize_t send(int fd, object data) except -1:
    cdef Py_buffer view
    cdef ssize_t size
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    size = c_send(fd, view.buf, view.len, MSG_NOSIGNAL)
    PyBuffer_Release(&view)
    if size < 0:
        if errno == EAGAIN or errno == EINTR:
            return 0
        PyErr_SetFromErrno(OSError)
    return size

cdef inline object printable(sockaddr_storage* address, socklen_t size):
    # As the socket module writes it. Of a UNIX socket: "" for one without a name, bytes for an
    # abstract one.
    cdef char text[64]
    cdef sockaddr_in* four = <sockaddr_in*>address
    cdef sockaddr_in6* six = <sockaddr_in6*>address
    cdef const char* path = <const char*>address + 2
    cdef Py_ssize_t length = <Py_ssize_t>size - 2
    if address.ss_family == AF_INET:
        inet_ntop(AF_INET, &four.sin_addr, text, 64)
        return PyUnicode_FromString(text), ntohs(four.sin_port)
    if address.ss_family == AF_INET6:
        inet_ntop(AF_INET6, &six.sin6_addr, text, 64)
        return (
            PyUnicode_FromString(text),
            ntohs(six.sin6_port),
            ntohl(six.sin6_flowinfo),
            six.sin6_scope_id,
        )
    if length <= 0:
        return ""
    if path[0] == 0:
        return PyBytes_FromStringAndSize(path, length)
    return PyUnicode_DecodeFSDefaultAndSize(path, strnlen(path, length))

cdef inline tuple accept(object sock, int fd):
    cdef sockaddr_storage address
    cdef socklen_t size = sizeof(sockaddr_storage)
    cdef int conn = bascule_accept(fd, <sockaddr*>&address, &size)
    if conn < 0:
        if errno != EAGAIN:
            PyErr_SetFromErrno(OSError)
        return None
    return conn, printable(&address, size)

cdef inline object own_address(int family, int fd):
    cdef sockaddr_storage address
    cdef socklen_t size = sizeof(sockaddr_storage)
    if getsockname(fd, <sockaddr*>&address, &size) < 0:
        PyErr_SetFromErrno(OSError)
    return printable(&address, size)
