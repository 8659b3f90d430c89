"""Sockets from systemd and messages to it, without systemd's library.

Both are environment variables (`bascule.variables`). Other programs that start services set the
same ones (Podman, s6, launchers of sockets), so nothing here asks whether systemd runs.
"""

import logging
import socket
import time
from collections.abc import Mapping, MutableMapping

from bascule.address import FDAddress
from bascule.errors import BindError
from bascule.variables import (
    LISTEN_FDNAMES,
    LISTEN_FDS,
    LISTEN_PID,
    NOTIFY_SOCKET,
    WATCHDOG_PID,
    WATCHDOG_USEC,
)

logger = logging.getLogger("bascule")

FIRST_DESCRIPTOR = 3
# The receiver has room for thousands of these; this is for one that hangs.
SEND_TIMEOUT = 1.0


def activated(environ: MutableMapping[str, str], pid: int) -> list[FDAddress]:
    """Return where systemd has opened listening sockets for the process `pid`; often nowhere.

    The variables are removed, because a program that the application starts has no part in this.
    Those meant for another process are ignored: they went past it on their way here.
    Raises BindError when they make no sense.
    """
    count, owner, _ = (environ.pop(name, "") for name in (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES))
    if owner != str(pid) or not count:
        return []
    if not (count.isascii() and count.isdigit() and len(count) < 6):
        raise BindError(f"cannot listen: LISTEN_FDS={count!r} is not a number of sockets.")
    return [FDAddress(FIRST_DESCRIPTOR + offset) for offset in range(int(count))]


class Notifier:
    """Reports the state of the service to the service manager, if it wants reports.

    No call raises or blocks for more than a second: a report is not worth the service.
    The variables stay in the environment, where applications look that send their own messages.
    """

    def __init__(self, address: str = "", watchdog: float | None = None) -> None:
        """address: of a datagram socket, a path or @NAME in Linux's abstract namespace.

        watchdog: seconds within which it expects a sign of life; None for never.
        """
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._complained = False
        # Twice in that time, as systemd recommends.
        self.beat_every = None if watchdog is None else watchdog / 2
        self._beaten = float("-inf")

    @classmethod
    def of(cls, environ: Mapping[str, str], pid: int) -> "Notifier":
        """Return the one that the variables describe, for the process `pid`."""
        address = environ.get(NOTIFY_SOCKET, "")
        if not address.startswith(("/", "@")):  # others are for virtual machines (vsock)
            return cls()
        microseconds = environ.get(WATCHDOG_USEC, "")
        watched = environ.get(WATCHDOG_PID) or str(pid)
        if watched == str(pid) and microseconds.isdigit() and int(microseconds):
            return cls(address, int(microseconds) / 1e6)
        return cls(address)

    def ready(self, status: str = "", main_pid: int | None = None) -> None:
        """The service serves, also again after `reloading`.

        main_pid: the process that is the service from now on, where it is not the one that was
        started.
        """
        lines = ["READY=1"]
        if main_pid is not None:
            lines.append(f"MAINPID={main_pid}")
        self._send(lines, status)

    def reloading(self, status: str = "") -> None:
        """The service takes over changed settings; `ready` ends that (Type=notify-reload)."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(["RELOADING=1", f"MONOTONIC_USEC={now}"], status)

    def stopping(self, status: str = "") -> None:
        """The service has begun to end."""
        self._send(["STOPPING=1"], status)

    def status(self, text: str) -> None:
        """Say in a few words what the service does, for `systemctl status`."""
        self._send([], text)

    def beat(self, now: float) -> None:
        """Say that the service is alive, when it is time to.

        now: of a clock that never goes back, in seconds. To be called as often as one likes, from
        the very thing that may hang.
        """
        if self.beat_every is not None and now - self._beaten >= self.beat_every:
            self._beaten = now
            self._send(["WATCHDOG=1"], "")

    def _send(self, lines: list[str], status: str) -> None:
        if not self._address:
            return
        if status:
            lines = [*lines, "STATUS=" + " ".join(status.split())]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(SEND_TIMEOUT)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._complained:
                self._complained = True
                logger.warning(
                    "%s cannot be reported to the service manager over NOTIFY_SOCKET: %s",
                    lines[0],
                    error.strerror or error,
                )
