"""The line between a supervisor and a server process that it has started: a pair of sockets.

server to supervisor    READY, when it has begun to serve; FAILED and why, when it could not
supervisor to server    why newer code did not start, and a NUL
end of file             the other one is gone, however it came to its end

A server whose supervisor is gone drains: nobody is left who would pass a signal on to it, and a
new supervisor could not know of it. The kernel closes the line, so that holds for SIGKILL too.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager

from bascule.errors import EXIT_ORPHANED, StartupError, UsageError
from bascule.settings import Settings
from bascule.settings.findings import listed
from bascule.stacks import LIFELINE_THREAD
from bascule.variables import LIFELINE_VARIABLE
from bascule.worker.role import Standalone, Stop

logger = logging.getLogger("bascule")

READY = b"ready\n"
FAILED = b"failed\n"
# Bytes of a reason at most: it is written at once, into the buffer of the line.
LONGEST_REASON = 32768
PATIENCE = 5.0  # seconds, for as long as the settings are not known


class Lifeline:
    """The supervisor's end, with which the other one is made.

    A program that is started gets `theirs` as an inherited descriptor with its number in
    LIFELINE_VARIABLE; a forked process takes `ServerEnd(lifeline.theirs)` and closes what it has
    of the supervisor's ends, those of its siblings as well, or no end of file would ever come.
    """

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self._said = b""
        self.ended = False

    def fileno(self) -> int:
        """For a selector: readable when `is_ready` may have news."""
        return self.ours.fileno()

    def handed_over(self) -> None:
        """The server has its end: close it here."""
        self.theirs.close()

    def is_ready(self) -> bool:
        """Whether the server has said that it serves. Never blocks."""
        while not self.ended:
            try:
                data = self.ours.recv(4096)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self._said += data
            self.ended = not data
        return self._said.startswith(READY)

    def why_failed(self) -> str:
        """Why the server did not begin to serve; "" where it has not said."""
        if self.is_ready() or not self._said.startswith(FAILED):
            return ""
        return self._said.removeprefix(FAILED).decode(errors="replace")

    def tell_failure(self, reason: str) -> None:
        """Tell the server that newer code did not start."""
        try:
            self.ours.sendall(shortened(reason) + b"\0")
        except OSError:
            pass  # it is gone, or does not read

    def close(self) -> None:
        """Let go of both ends. A server that is still there drains."""
        self.ours.close()
        self.theirs.close()


def shortened(reason: str) -> bytes:
    """The beginning of a reason, without a NUL."""
    return reason.encode(errors="replace").replace(b"\0", b"?")[:LONGEST_REASON]


class ServerEnd:
    """The server's end.

    failure: why newer code did not start, as the supervisor has told. stopping: it drains already,
    and needs not be told to. patience: seconds that draining may take in a process whose
    supervisor is gone; after them it ends, whatever it does.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.failure = ""
        self.stopping = False
        self.patience = PATIENCE

    def say_ready(self) -> None:
        """Tell the supervisor that connections are accepted from now on."""
        try:
            self._sock.sendall(READY)
        except OSError:
            pass  # it is gone, which `watch` notices

    def say_failed(self, reason: str) -> None:
        """Tell the supervisor why this process cannot serve, before it ends."""
        try:
            self._sock.sendall(FAILED + shortened(reason))
        except OSError:
            pass

    def watch(self) -> None:
        """Have the process drain when the supervisor is gone, by SIGTERM to itself.

        A thread, and to be called early, because settings or an import that hang must not outlive
        the supervisor either.
        """
        threading.Thread(target=self._watch, name=LIFELINE_THREAD, daemon=True).start()

    def _watch(self) -> None:
        told = b""
        try:
            while data := self._sock.recv(4096):
                *reasons, told = (told + data).split(b"\0")
                if reasons:
                    self.failure = reasons[-1].decode(errors="replace")
        except OSError:
            pass
        if not self.stopping:
            logger.warning("the process that watched over this one is gone; stopping")
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGTERM)
        time.sleep(self.patience)
        os._exit(EXIT_ORPHANED)


class Reloaded(Standalone):
    """The role of a server that a reloader has started.

    lifeline: this process's end of the line.
    """

    # The reloader does, for one server after the other.
    represents_service = False

    def __init__(self, lifeline: ServerEnd, sockets: Sequence[socket.socket] | None) -> None:
        super().__init__(sockets)
        self.lifeline = lifeline
        self.failures = lifeline

    def begin(self, settings: Settings) -> None:
        # Requests have the one, lifespan shutdown the other.
        self.lifeline.patience += 2 * settings.timeout_graceful_shutdown

    def report_stopping(self) -> None:
        self.lifeline.stopping = True

    def report_ready(self, lines: list[str], stop: Stop) -> None:
        super().report_ready(lines, stop)
        self.lifeline.say_ready()


@contextmanager
def failures_told(lifeline: ServerEnd | None) -> Iterator[None]:
    """Tell the supervisor what goes wrong in the block. The error goes on to the caller."""
    try:
        yield
    except (UsageError, StartupError) as error:
        if lifeline is not None:
            findings = getattr(error, "findings", None)
            lifeline.say_failed(listed(findings) if findings else str(error))
        raise


def inherited_lifeline(environ: MutableMapping[str, str]) -> ServerEnd | None:
    """Take over the line to a supervisor; None where there is none.

    The variable is removed, because a program that the application starts has no part in this.
    Raises UsageError when the variable is there and the descriptor is not.
    """
    value = environ.pop(LIFELINE_VARIABLE, None)
    if value is None:
        return None
    try:
        sock = socket.socket(fileno=int(value))
    except (OSError, ValueError, OverflowError):
        raise UsageError(
            f"{LIFELINE_VARIABLE}={value!r} names no open socket.\n"
            "bascule sets it for its own child processes; remove it from the environment."
        ) from None
    sock.set_inheritable(False)
    return ServerEnd(sock)
