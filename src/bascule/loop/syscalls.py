"""System calls on descriptors that the poller watches.

Each function is there twice, as in protocols/websocket/masking.py: syscalls.pxd has the inline
twins that compiled modules use. They call libc at once, without a Python object for the socket
and without giving the interpreter's lock away: none of these calls waits. This module itself is
never compiled.
"""

import os
import socket
from typing import Any


def wait(epoll: Any, fd: int, most: int) -> list[int]:
    """Return what is ready now, of at most so many descriptors: the number of each, shifted left
    by 32, and its events. fd: the descriptor of `epoll`."""
    return [number << 32 | events for number, events in epoll.poll(0, most)]


def change(epoll: Any, fd: int, number: int, before: int, events: int) -> None:
    """Watch a descriptor for other events than `before`; 0 stands for not at all."""
    if not before:
        epoll.register(number, events)
    elif events:
        epoll.modify(number, events)
    else:
        epoll.unregister(number)


def receive(fd: int) -> bytes | None:
    """Return what has arrived, 64 KiB at most: nothing at the end, None when there is nothing
    yet."""
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return None


def send(fd: int, data: bytes | bytearray | memoryview) -> int:
    """Send what the kernel takes; how many bytes that are."""
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0


def accept(sock: socket.socket, fd: int) -> tuple[int, Any] | None:
    """Accept a connection that does not block: its descriptor, and the peer's address as the
    socket module writes it. None when there is none. fd: the descriptor of `sock`."""
    try:
        conn, address = sock.accept()
    except BlockingIOError:
        return None
    conn.setblocking(False)
    return conn.detach(), address


def own_address(family: int, fd: int) -> Any:
    """Return the address of this end of a connection, as the socket module writes it."""
    sock = socket.socket(family, socket.SOCK_STREAM, 0, fd)
    try:
        return sock.getsockname()
    finally:
        sock.detach()
