"""Replace this supervisor by a new one: for a new Bascule, a new Python, other settings.

The same command is run again, and inherits the listening sockets. Both supervisors serve until all
workers of the new one are ready. The new one reports that through a pipe, and the old one drains
and ends. If the new one ends before that, the old one keeps serving as if nothing had happened.
Probes and operators are answered by the old one until then, and by the new one from then on.
"""

import logging
import os
import socket
import subprocess
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

from bascule.sockets.inherited import adopted, descriptor_numbers
from bascule.sockets.unix import UnixListener
from bascule.variables import (
    READY_VARIABLE,
    SERVICES_VARIABLE,
    SOCKETS_VARIABLE,
    WATCHDOG_PID,
)

logger = logging.getLogger("bascule")


@dataclass(frozen=True, slots=True)
class Listeners:
    """All sockets that a supervisor listens on.

    served: what workers serve on.
    health: for probes.
    control: for operators.
    """

    served: Sequence[socket.socket]
    health: Sequence[socket.socket] = ()
    control: Sequence[socket.socket] = ()

    @property
    def all(self) -> list[socket.socket]:
        return [*self.served, *self.health, *self.control]


def inherited_services(
    environ: MutableMapping[str, str],
) -> tuple[list[socket.socket], list[socket.socket]]:
    """Return the sockets for probes and for operators that a predecessor has opened."""
    health, _, control = environ.pop(SERVICES_VARIABLE, "").partition(";")
    return sockets_of(health), sockets_of(control)


def sockets_of(numbers: str) -> list[socket.socket]:
    sockets = [adopted(int(number)) for number in numbers.split(",") if number]
    for sock in sockets:
        sock.set_inheritable(False)
    return sockets


class Upgrade:
    """Both sides of an upgrade: the one that this process may begin, and the one that it may be
    the result of."""

    def __init__(
        self, command: Sequence[str], listeners: Listeners, directory: str | None = None
    ) -> None:
        """command: starts a new supervisor, in the directory that is at this path by then."""
        self.directory = directory
        self.command = list(command)
        self.listeners = listeners
        self.pipe: int | None = None
        self.process: subprocess.Popen[bytes] | None = None
        # Removed: no other process that is started may take itself for a successor.
        origin = os.environ.pop(READY_VARIABLE, "")
        self.origin: int | None = int(origin) if origin.isdigit() else None

    @property
    def is_successor(self) -> bool:
        """Whether another supervisor still serves, from which this one is to take over."""
        return self.origin is not None

    def begin(self) -> int | None:
        """Start the new supervisor; returns the descriptor to wait on, None where that failed."""
        if self.pipe is not None:
            logger.warning("an upgrade is under way already")
            return None
        try:
            reader, writer = os.pipe()
        except OSError as error:
            logger.error("upgrade failed: %s", error.strerror)
            return None
        listeners = self.listeners
        fds = [sock.fileno() for sock in listeners.all]
        health = descriptor_numbers(listeners.health)
        control = descriptor_numbers(listeners.control)
        environ = {
            **os.environ,
            SOCKETS_VARIABLE: descriptor_numbers(listeners.served),
            SERVICES_VARIABLE: f"{health};{control}",
            READY_VARIABLE: str(writer),
        }
        # It becomes the process that the service manager watches.
        environ.pop(WATCHDOG_PID, None)
        try:
            self.process = subprocess.Popen(
                self.command, env=environ, pass_fds=[*fds, writer], cwd=self.directory
            )
        except OSError as error:
            # The command or the directory does not exist.
            name = error.filename or self.command[0]
            logger.error("upgrade failed: %s: %s", name, error.strerror)
            os.close(reader)
            return None
        finally:
            os.close(writer)
        logger.info("upgrading: the new supervisor is pid %d", self.process.pid)
        self.pipe = reader
        return reader

    def finish(self) -> bool:
        """Return whether the new supervisor has taken over. The descriptor is readable."""
        assert self.pipe is not None
        assert self.process is not None
        has_taken_over = os.read(self.pipe, 64) != b""
        os.close(self.pipe)
        self.pipe = None
        if has_taken_over:
            logger.info("pid %d has taken over", self.process.pid)
            for sock in self.listeners.all:
                if isinstance(sock, UnixListener):
                    sock.disown()
            return True
        code = self.process.wait()
        logger.error(
            "upgrade given up: the new supervisor ended with exit code %d; this one keeps serving",
            code,
        )
        return False

    def take_over(self) -> None:
        """Report to the predecessor that this process serves."""
        assert self.origin is not None
        for sock in self.listeners.all:
            if isinstance(sock, UnixListener):
                sock.take_over()
        try:
            os.write(self.origin, b"ready\n")
        except OSError:
            pass  # the old one has ended by itself
        os.close(self.origin)
        self.origin = None

    def close(self) -> None:
        for fd in (self.pipe, self.origin):
            if fd is not None:
                os.close(fd)
        self.pipe = self.origin = None
