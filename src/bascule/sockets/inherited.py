"""Listening sockets that a process inherits from another one: from a reloader, from `manage.py
runserver`, or from a supervisor that is being upgraded.

They are bound once, and outlive every server process: while one ends and the next starts,
connections wait in the kernel's queue and none is refused.
"""

import socket
from collections.abc import MutableMapping, Sequence

from bascule.errors import UsageError
from bascule.sockets.unix import UnixListener
from bascule.variables import SOCKETS_VARIABLE


def descriptor_numbers(sockets: Sequence[socket.socket]) -> str:
    """Return the value of SOCKETS_VARIABLE for a child that inherits these sockets."""
    return ",".join(str(sock.fileno()) for sock in sockets)


def adopted(fd: int) -> socket.socket:
    """Return the socket of a descriptor. The file of a UNIX socket stays with its owner."""
    sock = socket.socket(fileno=fd)
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
        sockets = [adopted(int(number)) for number in value.split(",")]
    except (OSError, ValueError, OverflowError):
        raise UsageError(
            f"{SOCKETS_VARIABLE}={value!r} names no open sockets.\n"
            "bascule sets it for its own child processes; remove it from the environment."
        ) from None
    for sock in sockets:
        sock.set_inheritable(False)
    return sockets
