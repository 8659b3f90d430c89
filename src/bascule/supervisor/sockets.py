"""Listening sockets handed from a supervisor to the process that serves.

They are bound once, by the supervisor, and outlive every server process: while one ends and the
next starts, connections wait in the kernel's queue and none is refused.
"""

import socket
from collections.abc import MutableMapping, Sequence

from bascule.errors import UsageError
from bascule.sockets.unix import UnixListener
from bascule.variables import SOCKETS_VARIABLE


def handed_over(sockets: Sequence[socket.socket]) -> str:
    """Return the value of SOCKETS_VARIABLE that says which descriptors a child inherits."""
    return ",".join(str(sock.fileno()) for sock in sockets)


def adopted(fd: int) -> socket.socket:
    """The socket that a descriptor is. Of a UNIX socket the file stays somebody else's."""
    sock = socket.socket(fileno=fd)
    if sock.family == socket.AF_UNIX:
        return UnixListener(fileno=sock.detach())
    return sock


def inherited_sockets(environ: MutableMapping[str, str]) -> list[socket.socket] | None:
    """Take over the sockets of a supervisor; None where there is none.

    The variable is removed, because a program that the application starts inherits nothing.
    Raises UsageError when the variable is there and the descriptors are not.
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
