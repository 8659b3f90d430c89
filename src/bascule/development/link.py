"""The link between the reloader and a server process that it has started: a pair of sockets.

    server to reloader   READY, when it serves; FAILED and the reason, when it cannot
    reloader to server   why newer code did not start, and a NUL
    end of file          the other process has ended, however that came about

A server whose reloader has ended drains: no signal would be passed on to it any more, and a new
reloader would not know it. The kernel closes the sockets, so that holds after SIGKILL, too.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from functools import partial

from bascule.development.failure_page import FailureInterface
from bascule.errors import EXIT_ORPHANED, StartupError, UsageError
from bascule.settings import Settings
from bascule.settings.findings import listed
from bascule.stacks import RELOADER_THREAD
from bascule.variables import RELOADER_VARIABLE
from bascule.worker.role import Standalone, Stop

logger = logging.getLogger("bascule")

READY = b"ready\n"
FAILED = b"failed\n"
# The most bytes of a reason: it is written at once, into the buffer of the socket.
LONGEST_REASON = 32768
PATIENCE = 5.0  # seconds, for as long as the settings are not known


class ServerLink:
    """The reloader's end, which makes both.

    The server inherits `theirs`, and finds its descriptor in RELOADER_VARIABLE.

    ended: the server has closed its end.
    """

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self._received = b""
        self.ended = False

    def fileno(self) -> int:
        """Return the descriptor for a selector: readable when `is_ready` may have changed."""
        return self.ours.fileno()

    def close_theirs(self) -> None:
        """Close the server's end here, once the server has it."""
        self.theirs.close()

    def is_ready(self) -> bool:
        """Whether the server has reported that it serves. Never blocks."""
        while not self.ended:
            try:
                data = self.ours.recv(4096)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self._received += data
            self.ended = not data
        return self._received.startswith(READY)

    def why_failed(self) -> str:
        """Return why the server could not serve; "" where it has not reported that."""
        if self.is_ready() or not self._received.startswith(FAILED):
            return ""
        return self._received.removeprefix(FAILED).decode(errors="replace")

    def send_failure(self, reason: str) -> None:
        """Send the server the reason why newer code did not start."""
        try:
            self.ours.sendall(shortened(reason) + b"\0")
        except OSError:
            pass  # it has ended, or does not read

    def close(self) -> None:
        """Close both ends. A server that still runs drains."""
        self.ours.close()
        self.theirs.close()


def shortened(reason: str) -> bytes:
    """Return the beginning of a reason, without a NUL."""
    return reason.encode(errors="replace").replace(b"\0", b"?")[:LONGEST_REASON]


class ReloaderLink:
    """The server's end.

    failure: why newer code did not start, as the reloader has sent it; "" where it has not.
    stopping: this process drains already.
    patience: seconds that draining may take once the reloader has ended; the process ends after
        them in any case.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.failure = ""
        self.stopping = False
        self.patience = PATIENCE

    def report_ready(self) -> None:
        """Report that connections are accepted."""
        try:
            self._sock.sendall(READY)
        except OSError:
            pass  # the reloader has ended, which `watch` notices

    def report_failure(self, reason: str) -> None:
        """Report why this process cannot serve, before it ends."""
        try:
            self._sock.sendall(FAILED + shortened(reason))
        except OSError:
            pass

    @contextmanager
    def reporting_failures(self) -> Iterator[None]:
        """Report an error that the block raises; it propagates to the caller."""
        try:
            yield
        except (UsageError, StartupError) as error:
            findings = getattr(error, "findings", None)
            self.report_failure(listed(findings) if findings else str(error))
            raise

    def watch(self) -> None:
        """Drain when the reloader has ended, by a SIGTERM to this process.

        Runs in a thread, and is called early: settings or an import that hang must not outlive the
        reloader either.
        """
        threading.Thread(target=self._watch, name=RELOADER_THREAD, daemon=True).start()

    def _watch(self) -> None:
        rest = b""
        try:
            while data := self._sock.recv(4096):
                *reasons, rest = (rest + data).split(b"\0")
                if reasons:
                    self.failure = reasons[-1].decode(errors="replace")
        except OSError:
            pass
        if not self.stopping:
            logger.warning("the reloader has ended; stopping")
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGTERM)
        time.sleep(self.patience)
        os._exit(EXIT_ORPHANED)


class Reloaded(Standalone):
    """The role of a server that a reloader has started.

    link: to the reloader.
    """

    # The reloader does, for one server after the other.
    represents_service = False

    def __init__(self, link: ReloaderLink, sockets: Sequence[socket.socket] | None) -> None:
        super().__init__(sockets)
        self.link = link
        self.wrap_interface = partial(FailureInterface, link)

    def begin(self, settings: Settings) -> None:
        # Once for requests, and once for lifespan shutdown.
        self.link.patience += 2 * settings.timeout_graceful_shutdown

    def report_stopping(self) -> None:
        self.link.stopping = True

    def report_ready(self, lines: list[str], stop: Stop) -> None:
        super().report_ready(lines, stop)
        self.link.report_ready()


def inherited_link(environ: MutableMapping[str, str]) -> ReloaderLink:
    """Take over the link to the reloader that RELOADER_VARIABLE names.

    The variable is removed: programs that the application starts have no part in this.
    Raises UsageError when the descriptor is not there.
    """
    value = environ.pop(RELOADER_VARIABLE)
    try:
        sock = socket.socket(fileno=int(value))
    except (OSError, ValueError, OverflowError):
        raise UsageError(
            f"{RELOADER_VARIABLE}={value!r} names no open socket.\n"
            "bascule sets it for its own child processes; remove it from the environment."
        ) from None
    sock.set_inheritable(False)
    return ReloaderLink(sock)
