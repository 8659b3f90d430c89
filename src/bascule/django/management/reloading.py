"""Reloading as `manage.py runserver` has it: Django's autoreloader decides when.

Two processes, as under Django's own command. The child (RUN_MAIN=true) serves and watches its own
files; what watches is Django's, so the signals `autoreload_started` and `file_changed`, and
Watchman, are as ever. When a file has changed, the child ends with exit code 3 and the parent
starts another.

Three things differ. The server has the main thread, which signals need, and the watch another; so
a change and a signal both let the server stop in order. The parent has the listening sockets, and
passes signals on instead of killing. And where a child ends unasked (a syntax error in the
settings, before any command runs) the parent waits for a change instead of ending too.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management.base import CommandError
from django.utils import autoreload

from bascule.development.failure_page import FailureServer
from bascule.development.reloader import STOP_SIGNALS, ended_with, in_foreground
from bascule.development.watch import FileWatch
from bascule.errors import BasculeError
from bascule.settings import Settings
from bascule.sockets.inherited import descriptor_numbers
from bascule.variables import SOCKETS_VARIABLE
from bascule.worker.role import OnReady, Stop

if TYPE_CHECKING:
    import socket
    from types import FrameType

logger = logging.getLogger("bascule")

RUN_MAIN: str = autoreload.DJANGO_AUTORELOAD_ENV
# How a child asks for the next one. Django's own command knows it as well.
CHANGED = 3
# How soon, in seconds, a signal ends the wait for a change.
LOOK = 0.2


def is_child() -> bool:
    """Whether this process is one that serves and is started again."""
    return os.environ.get(RUN_MAIN) == "true"


class RunserverParent:
    """Starts one child after another.

    sockets: for the children to listen on. patience: seconds one may take to stop. directory:
    where a change is waited for when a child has failed.
    """

    def __init__(
        self, sockets: "Sequence[socket.socket]", patience: float, directory: str
    ) -> None:
        self.command = [str(one) for one in autoreload.get_child_arguments()]
        self.sockets = sockets
        self.fds = [sock.fileno() for sock in sockets]
        self.environ = {
            **os.environ,
            SOCKETS_VARIABLE: descriptor_numbers(sockets),
            RUN_MAIN: "true",
        }
        self.patience = patience
        self.directory = directory
        self.stopping = threading.Event()
        self.child: subprocess.Popen[bytes] | None = None

    def run_children(self) -> None:
        """Return when a signal has come, or when a child has ended of itself with 0.

        Raises UsageError where changes cannot be waited for.
        """
        before = {number: signal.signal(number, self.on_signal) for number in STOP_SIGNALS}
        try:
            while not self.stopping.is_set():
                code = self.run_child()
                if code == 0:
                    break
                if code != CHANGED and not self.stopping.is_set():
                    logger.info("the server ended with exit code %d; waiting for a change", code)
                    # The project's own settings for connections could not be read.
                    pages = FailureServer(Settings(), self.sockets, ended_with(code))
                    self.wait_for_change()
                    pages.end()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, former in before.items():
                signal.signal(number, former)

    def run_child(self) -> int:
        """Start a child, and wait for its exit code."""
        self.child = subprocess.Popen(self.command, env=self.environ, pass_fds=self.fds)
        if self.stopping.is_set():  # it came while the child was made, and passed it by
            self.child.terminate()
        return self.child.wait()

    def wait_for_change(self) -> None:
        """Wait for one, or for a signal."""
        woken = threading.Event()
        watch = FileWatch([self.directory], set(), woken.set)
        try:
            while not self.stopping.is_set() and not watch.changes():
                # A signal interrupts it only to call its function, which does not set this.
                woken.wait(LOOK)
                woken.clear()
        finally:
            watch.end()

    def on_signal(self, number: int, frame: "FrameType | None") -> None:
        """Pass a signal on to the child. Ctrl-C in a terminal has reached it already."""
        self.stopping.set()
        if self.child is not None and not (number == signal.SIGINT and in_foreground()):
            self.child.send_signal(number)
        signal.signal(signal.SIGALRM, self.on_alarm)
        signal.setitimer(signal.ITIMER_REAL, self.patience)

    def on_alarm(self, number: int, frame: "FrameType | None") -> None:
        """The child has not stopped in time."""
        if self.child is not None:
            self.child.kill()


class WatchedServer:
    """Django's autoreloader in a thread of the child, and what becomes of the server then."""

    def __init__(self, also: Iterable[Path] = ()) -> None:
        """also: files to watch beside the modules that are loaded."""
        self.also = list(also)
        self.code = 0
        self.ended = threading.Event()
        # Guards the two below, which say what the main thread does; neither: it is starting.
        self.lock = threading.Lock()
        self.stop: Stop | None = None
        self.failed = False

    def run(self, serve: Callable[[OnReady], int], say: Callable[[CommandError], None]) -> int:
        """Call `serve` with what it tells when it is ready; return the exit code of the process.

        A `serve` that fails leaves the process waiting for a change; `say` gets the reason.
        """
        autoreload.ensure_echo_on()
        threading.Thread(target=self.watch, name="autoreload", daemon=True).start()
        try:
            code = serve(self.ready)
        except CommandError as error:
            remember_file(error)
            say(error)
            return self.wait()
        except KeyboardInterrupt:
            return 0
        return code

    def ready(self, stop: Stop) -> None:
        """From here on a change stops the server in order."""
        with self.lock:
            self.stop = stop

    def wait(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            # The server may have come so far that it had its own.
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)
        with self.lock:
            self.failed = True
        try:
            self.ended.wait()
        except KeyboardInterrupt:
            return 0
        return self.code

    def watch(self) -> None:
        """Watch until Django's reloader asks for an exit, as it does by raising one."""
        try:
            reloader = autoreload.get_reloader()
            reloader.extra_files.update(self.also)
            autoreload.logger.info("Watching for file changes with %s", type(reloader).__name__)
            while not reloader.should_stop:
                reloader.run(threading.main_thread())
        except SystemExit as request:
            self.end(request.code if isinstance(request.code, int) else 1)
        except BaseException:
            # Nothing would tell of changes any more.
            self.end(1)
            raise

    def end(self, code: int) -> None:
        with self.lock:
            self.code = code
            if self.stop is not None:
                self.stop(code)
            elif not self.failed:
                # Nothing is in flight yet, and what an import or a check waits for may never come.
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        self.ended.set()


def remember_file(error: BaseException) -> None:
    """Have Django watch the file that is to blame: its module is not loaded, for it has failed."""
    cause: BaseException | None = error
    while isinstance(cause, BasculeError | CommandError):
        cause = cause.__cause__ or cause.__context__
    if not isinstance(cause, Exception):
        return

    def blame() -> None:
        raise cause

    try:
        autoreload.check_errors(blame)()
    except Exception:
        pass
