"""The line between a supervisor and a server process that it has started: a pair of sockets.

server to supervisor    READY, when it has begun to serve
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
from collections.abc import MutableMapping

from bascule.errors import UsageError
from bascule.settings.environment import LIFELINE_VARIABLE

logger = logging.getLogger("bascule")

READY = b"ready\n"
THREAD_NAME = "bascule lifeline"
EXIT_ORPHANED = 1
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
                data = self.ours.recv(64)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self._said += data
            self.ended = not data
        return self._said.startswith(READY)

    def close(self) -> None:
        """Let go of both ends. A server that is still there drains."""
        self.ours.close()
        self.theirs.close()


class ServerEnd:
    """The server's end.

    stopping: it drains already, and needs not be told to. patience: seconds that draining may take
    in a process whose supervisor is gone; after them it ends, whatever it does.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.stopping = False
        self.patience = PATIENCE

    def say_ready(self) -> None:
        """Tell the supervisor that connections are accepted from now on."""
        try:
            self._sock.sendall(READY)
        except OSError:
            pass  # it is gone, which `watch` notices

    def watch(self) -> None:
        """Have the process drain when the supervisor is gone, by SIGTERM to itself.

        A thread, and to be called early, because settings or an import that hang must not outlive
        the supervisor either.
        """
        threading.Thread(target=self._watch, name=THREAD_NAME, daemon=True).start()

    def _watch(self) -> None:
        try:
            while self._sock.recv(64):
                pass
        except OSError:
            pass
        if not self.stopping:
            logger.warning("the process that watched over this one is gone; stopping")
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGTERM)
        time.sleep(self.patience)
        os._exit(EXIT_ORPHANED)


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
