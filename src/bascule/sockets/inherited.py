"""Listening sockets that a process inherits from another one: from a reloader, from `manage.py
runserver`, or from a supervisor that is being upgraded.

They are bound once, and outlive every server process: while one ends and the next starts,
connections wait in the kernel's queue and none is refused.

The value of the variable is the descriptors, separated by commas; those of `--listen` have their
name behind them: 3,4=tcp%3A//127.0.0.1%3A5140.
"""

import socket
from collections.abc import MutableMapping, Sequence
from urllib.parse import quote, unquote

from bascule.errors import UsageError
from bascule.sockets.named import name_of, named
from bascule.sockets.unix import UnixListener
from bascule.variables import SOCKETS_VARIABLE


def descriptor_numbers(sockets: Sequence[socket.socket]) -> str:
    """Return the value of SOCKETS_VARIABLE for a child that inherits these sockets."""
    return ",".join(map(_written, sockets))


def _written(sock: socket.socket) -> str:
    name = name_of(sock)
    return f"{sock.fileno()}={quote(name)}" if name else str(sock.fileno())


def adopted(fd: int, name: str = "") -> socket.socket:
    """Return the socket of a descriptor. The file of a UNIX socket stays with its owner.

    name: of a socket of `--listen`.
    """
    sock = socket.socket(fileno=fd)
    if name:
        return named(sock, name)
    if sock.family == socket.AF_UNIX:
        return UnixListener(fileno=sock.detach())
    return sock


def inherited_sockets(environ: MutableMapping[str, str]) -> list[socket.socket] | None:
    """Take over the sockets that SOCKETS_VARIABLE names; None where it is not set.

    The variable is removed: programs that the application starts inherit none of them.
    Raises UsageError when the descriptors are not there.
    """
    value = environ.pop(SOCKETS_VARIABLE, None)
    if value is None:
        return None
    try:
        parts = [part.partition("=") for part in value.split(",")]
        sockets = [adopted(int(number), unquote(name)) for number, _, name in parts]
    except (OSError, ValueError, OverflowError):
        raise UsageError(
            f"{SOCKETS_VARIABLE}={value!r} names no open sockets.\n"
            "bascule sets it for its own child processes; remove it from the environment."
        ) from None
    for sock in sockets:
        sock.set_inheritable(False)
    return sockets
