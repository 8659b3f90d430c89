"""Listening sockets that have the name of the `--listen` address they were opened for.

A process that inherits sockets finds by the name which application each of them is for. All other
sockets are for HTTP.
"""

import socket
from collections.abc import Sequence

from bascule.address import (
    TCP,
    TLS_TCP,
    UDP,
    UNIX_TCP,
    FDAddress,
    ListenAddress,
    TCPAddress,
    UnixAddress,
)
from bascule.sockets.bind import adopt, close_listeners, open_tcp_listeners
from bascule.sockets.bind import describe as describe_http
from bascule.sockets.unix import UnixListener, open_unix_listener, unix_name


class NamedListener(UnixListener):
    """A listening socket with a name, or one of UDP; its family need not be AF_UNIX.

    name: the address as the operator wrote it.
    """

    name = ""


def name_of(sock: socket.socket) -> str:
    """Return the name of a socket, "" for one of HTTP."""
    return sock.name if isinstance(sock, NamedListener) else ""


def named(sock: socket.socket, name: str) -> NamedListener:
    """Return the socket with a name. The former object is of no use afterwards."""
    listener = NamedListener(fileno=sock.detach())
    listener.name = name
    return listener


def open_named_listeners(
    addresses: Sequence[ListenAddress], backlog: int, opened: Sequence[socket.socket] = ()
) -> list[NamedListener]:
    """Open sockets for the addresses that none of `opened` is for; all of them or none.

    Raises BindError with a message for the operator.
    """
    have = {name_of(sock) for sock in opened}
    listeners: list[NamedListener] = []
    try:
        for address in addresses:
            if str(address) not in have:
                listeners += _open(address, backlog)
    except BaseException:
        close_listeners(listeners)
        raise
    return listeners


def _open(listen: ListenAddress, backlog: int) -> list[NamedListener]:
    address, name = listen.address, str(listen)
    if isinstance(address, UnixAddress):
        listener = open_unix_listener(address, backlog, NamedListener)
        listener.name = name
        return [listener]
    if isinstance(address, FDAddress):
        return [named(adopt(address, listen.has_datagrams), name)]
    option = f"--listen {listen.scheme}://"
    opened = open_tcp_listeners(address, None if listen.has_datagrams else backlog, option)
    return [named(sock, name) for sock in opened]


def describe(listener: socket.socket, scheme: str) -> str:
    """Return where clients reach a socket: tcp://127.0.0.1:5140, unix+tcp:/run/a.sock.

    scheme: of a socket of HTTP.
    """
    if not isinstance(listener, NamedListener) or not listener.name:
        return describe_http(listener, scheme)
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"{UNIX_TCP}:{unix_name(name)}"
    scheme = TLS_TCP if listener.name.startswith(f"{TLS_TCP}:") else TCP
    if listener.type == socket.SOCK_DGRAM:
        scheme = UDP
    return f"{scheme}://{TCPAddress(name[0], name[1])}"


def without_stale(
    sockets: Sequence[socket.socket], addresses: Sequence[ListenAddress]
) -> list[socket.socket]:
    """Return the sockets of HTTP and of these addresses, and close the others: a predecessor had
    other settings."""
    wanted = {"", *map(str, addresses)}
    close_listeners([sock for sock in sockets if name_of(sock) not in wanted])
    return [sock for sock in sockets if name_of(sock) in wanted]
