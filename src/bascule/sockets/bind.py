"""Open, describe and close listening sockets.

Sockets are bound before the application is imported, so that an address in use is known at once.
They belong to the code that opened them: a server that stops accepting leaves them open, and
`close_listeners` ends them.
"""

import errno
import os
import socket
import stat
from collections.abc import Sequence
from typing import cast

from bascule.address import Address, FDAddress, TCPAddress, UnixAddress
from bascule.errors import BindError
from bascule.sockets.unix import UnixListener, open_unix_listener, unix_name

# With port 0 and a name that means several addresses, all get the port that the first was given.
# Another program may hold that port on the second address, so the draw is repeated.
PORT_DRAWS = 16

# A socket address as getaddrinfo gives it: (host, port), for IPv6 with flow and scope behind.
SocketAddress = tuple[str, int] | tuple[str, int, int, int]

# How a machine without IPv6 (or IPv4) refuses its addresses; "not my address" looks the same.
ABSENT_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def open_listeners(addresses: Sequence[Address], backlog: int) -> list[socket.socket]:
    """Open a non-blocking listening socket for every address, in their order; all of them or none.

    A host name may mean several addresses (localhost: 127.0.0.1 and ::1) and then gives several
    sockets. IPv6 sockets take IPv6 only, so that 0.0.0.0:8000 and [::]:8000 can both be given.

    backlog: how many connections the kernel keeps waiting to be accepted (listen(2)).
    Raises BindError with a message for the operator.
    """
    listeners: list[socket.socket] = []
    try:
        for address in addresses:
            listeners += _open(address, backlog)
    except BaseException:
        close_listeners(listeners)
        raise
    return listeners


def _open(address: Address, backlog: int) -> list[socket.socket]:
    if isinstance(address, TCPAddress):
        return open_tcp_listeners(address, backlog)
    if isinstance(address, UnixAddress):
        return [open_unix_listener(address, backlog)]
    return [adopt(address)]


def open_tcp_listeners(
    address: TCPAddress, backlog: int | None, option: str = "--bind "
) -> list[socket.socket]:
    """Open a socket for every address that the host means.

    backlog: None for sockets of UDP. option: how the address was given.
    """
    for _ in range(PORT_DRAWS):
        try:
            return _bind_all(address, _resolve(address, backlog is None), backlog)
        except OSError as exc:
            if address.port or exc.errno != errno.EADDRINUSE:
                raise BindError(_explain_tcp(address, exc, option)) from None
    raise BindError(
        f"cannot listen on {address}: no port is free on all addresses of {address.host}."
    )


def _resolve(address: TCPAddress, datagrams: bool) -> list[tuple[int, SocketAddress]]:
    """The (family, socket address) pairs that the host means, each once, in order."""
    try:
        found = socket.getaddrinfo(
            address.host,
            address.port,
            type=socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (OSError, UnicodeError) as exc:
        raise BindError(
            f"cannot listen on {address}: the name {address.host!r} does not resolve "
            f"({_reason(exc)}).\nGive an IP address: 127.0.0.1 for this machine only, "
            "0.0.0.0 for all its interfaces."
        ) from None
    return list(dict.fromkeys((int(info[0]), cast(SocketAddress, info[4])) for info in found))


def _bind_all(
    address: TCPAddress, resolved: Sequence[tuple[int, SocketAddress]], backlog: int | None
) -> list[socket.socket]:
    """Bind every address on one port; a family this machine lacks is left out if another works."""
    listeners: list[socket.socket] = []
    lacking: OSError | None = None
    port = address.port
    try:
        for family, target in resolved:
            try:
                listeners.append(_bind_one(family, (target[0], port, *target[2:]), backlog))
                port = listeners[0].getsockname()[1]
            except OSError as exc:
                if exc.errno not in ABSENT_FAMILY:
                    raise
                lacking = exc
        if lacking is not None and not listeners:
            raise lacking
    except OSError:
        close_listeners(listeners)
        raise
    return listeners


def _bind_one(family: int, target: tuple[object, ...], backlog: int | None) -> socket.socket:
    if backlog is None:
        sock = socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    else:
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if backlog is not None:
            # A restart would otherwise wait a minute for old connections in TIME_WAIT. With UDP it
            # would let another program take the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(target)
        if backlog is not None:
            sock.listen(backlog)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _explain_tcp(address: TCPAddress, exc: OSError, option: str) -> str:
    head = f"cannot listen on {address}: "
    if exc.errno == errno.EADDRINUSE:
        kind = "u" if "udp" in option else "t"
        return (
            f"{head}another program uses this port.\n"
            f"See which: ss -l{kind}np 'sport = :{address.port}'. Or take another port: "
            f"{option}{TCPAddress(address.host, _next_port(address.port))}"
        )
    if exc.errno == errno.EACCES:
        return (
            f"{head}ports below 1024 need a privilege.\n"
            "Take a higher port such as 8000 behind a proxy, or grant CAP_NET_BIND_SERVICE "
            "(systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)."
        )
    if exc.errno in ABSENT_FAMILY:
        return (
            f"{head}this machine has no such address.\n"
            "See which it has: ip addr. Or listen on all: 0.0.0.0 for IPv4, [::] for IPv6."
        )
    return f"{head}{_reason(exc)}."


def _next_port(port: int) -> int:
    return port + 1 if port < 65535 else port - 1


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or str(exc)


def adopt(address: FDAddress, datagrams: bool = False) -> socket.socket:
    """Take over a listening socket that another program opened (systemd, a supervisor, a test).

    Its own backlog stays. A descriptor that is refused is left open: it was not ours.

    datagrams: it is to be a bound socket of UDP.
    """
    try:
        mode = os.fstat(address.fd).st_mode
    except (OSError, OverflowError):
        raise BindError(
            f"cannot listen on {address}: no file descriptor {address.fd} is open.\n"
            "The program that starts the server must pass it on (systemd: a socket unit; "
            "Python: subprocess pass_fds)."
        ) from None
    if not stat.S_ISSOCK(mode):
        raise BindError(
            f"cannot listen on {address}: file descriptor {address.fd} is not a socket."
        )
    sock = socket.socket(fileno=address.fd)
    stream = sock.type == socket.SOCK_STREAM
    if datagrams:
        if sock.type != socket.SOCK_DGRAM or sock.family == socket.AF_UNIX:
            sock.detach()
            raise BindError(
                f"cannot listen on {address}: file descriptor {address.fd} is not a socket of "
                "UDP.\nsystemd: ListenDatagram=HOST:PORT."
            )
    elif not stream or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.detach()
        raise BindError(
            f"cannot listen on {address}: file descriptor {address.fd} is a socket, "
            f"but {'it is not listening' if stream else 'not a stream socket'}.\n"
            "Call listen() on it before passing it on (systemd: ListenStream=, Accept=no)."
        )
    sock.setblocking(False)
    # It had to be inheritable to come here; programs that the application starts must not have it.
    sock.set_inheritable(False)
    return sock


def close_listeners(listeners: Sequence[socket.socket]) -> None:
    """Close the sockets, and remove the files of those UNIX sockets that this process created.

    Closing twice does nothing. A file that was replaced meanwhile is left alone.
    """
    for listener in listeners:
        if isinstance(listener, UnixListener):
            listener.remove_file()
        listener.close()


def describe(listener: socket.socket, scheme: str) -> str:
    """Where clients reach it: http://127.0.0.1:8000, https://[::1]:8443, unix:/run/a.sock."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{unix_name(name)}"
    return f"{scheme}://{TCPAddress(name[0], name[1])}"
