"""Start the server again when a file changes. For development.

This process binds the sockets, watches files and never imports the application. The server is a
child that is run by the same command line, so a new start reads everything anew: code, settings
file, env-file.

At a change a second child is started beside the one that serves. When it says that it serves, the
old one is told to drain. One that does not come so far (a syntax error, a failed import) has said
why, and the old one goes on. A change while a child starts ends that one and starts the next:
never more than one starts at a time, and the latest wins.

Browsers are told what has failed by the child that serves, or, where none does, by a thread of
this process: see `bascule.worker.failure_page`.

Only a first child that refuses its usage (exit code 2) ends this process: then it is the command
that has to change, not a file. The children end with it, even where it is killed: see
`bascule.worker.lifeline`.
"""

import logging
import os
import select
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bascule.directory import current
from bascule.errors import EXIT_USAGE
from bascule.observability import logs
from bascule.settings import Settings
from bascule.sockets.bind import close_listeners
from bascule.sockets.systemd import Notifier
from bascule.supervisor.sockets import handed_over
from bascule.supervisor.watch import Watch, directories, named_files
from bascule.variables import LIFELINE_VARIABLE, SOCKETS_VARIABLE
from bascule.worker.failure_page import FailureServer
from bascule.worker.lifeline import Lifeline
from bascule.worker.listeners import listening_sockets
from bascule.worker.pidfile import PidFile
from bascule.worker.privileges import wanted_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

logger = logging.getLogger("bascule")

SPARE = 5.0  # seconds beyond the graceful stop until a child is killed
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_reloading(settings: Settings, command: Sequence[str]) -> int:
    """Serve by `command` in a child process until a signal says stop; returns the exit code.

    Raises BindError when an address cannot be listened on, UsageError when the files cannot be
    watched, the user is unknown, or the PID file names another server.
    """
    if settings.umask is not None:
        os.umask(settings.umask)
    logs.configure(settings.log_level, settings.log_format, None, settings.debug)
    # Who it is to be is for the child, which imports the application; this process stays who it
    # is, to start the next one.
    sockets = listening_sockets(settings, wanted_identity(settings.user, settings.group))
    pid_file = PidFile(settings.pid) if settings.pid is not None else None
    try:
        if pid_file is not None:
            pid_file.write()
        reloader = Reloader(command, sockets, settings)
        return reloader.run(directories(settings), named_files(settings))
    finally:
        close_listeners(sockets)
        if pid_file is not None:
            pid_file.remove()


class Child:
    """A server process. `kill_at`: once it has been told to end, when it must have done so."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        fds: Sequence[int],
        directory: str | None = None,
    ) -> None:
        self.lifeline = Lifeline()
        end = self.lifeline.theirs.fileno()
        try:
            self.process = subprocess.Popen(
                command,
                env={**environ, LIFELINE_VARIABLE: str(end)},
                pass_fds=[*fds, end],
                cwd=directory,
            )
        except BaseException:
            self.lifeline.close()
            raise
        self.lifeline.handed_over()
        self.kill_at: float | None = None

    def end(self, number: int | None, patience: float) -> None:
        """Tell it to end by a signal (None: it has it already), within `patience` seconds."""
        if number is not None:
            self.process.send_signal(number)
        if self.kill_at is None:
            self.kill_at = time.monotonic() + patience


class Reloader:
    """The children, and the reasons to replace the one that serves.

    serving: says it is ready, and has not ended. starting: has not said so yet. leaving: told to
    end. All of this runs on one thread, which sleeps in `wait`.
    """

    def __init__(
        self, command: Sequence[str], sockets: Sequence[socket.socket], settings: Settings
    ) -> None:
        """command: what a child runs."""
        self.command = list(command)
        self.settings = settings
        self.sockets = sockets
        self.fds = [sock.fileno() for sock in sockets]
        self.environ = {**os.environ, SOCKETS_VARIABLE: handed_over(sockets)}
        # Seconds that a child may take to stop.
        self.patience = settings.timeout_graceful_shutdown + SPARE
        self.directory = current()
        # Tells visitors what has failed, while nothing else serves.
        self.pages: FailureServer | None = None
        self.serving: Child | None = None
        self.starting: Child | None = None
        self.leaving: list[Child] = []
        # A child that was overtaken by a change while it started: the next one waits for its end.
        self.overtaken: Child | None = None
        self.due = True
        self.first = True
        self.caught: deque[int] = deque()
        self.stopping = False
        self.notifier = Notifier.of(os.environ, os.getpid())
        self.woken, self.waker = socket.socketpair()
        self.woken.setblocking(False)
        self.waker.setblocking(False)

    def run(self, directories: Sequence[str], files: set[str]) -> int:
        """Watch until a signal comes, and return the exit code."""
        with self.signals():
            watch = Watch(directories, files, self.wake)
            try:
                return self.watch(watch)
            finally:
                watch.end()
                self.finish()

    def watch(self, watch: Watch) -> int:
        """Replace the child at each change, until a signal comes."""
        while not self.caught:
            if paths := watch.changes():
                self.change(paths)
            code = self.look_after()
            if code is not None:
                return code
            if self.due and self.overtaken is None:
                self.start()
            self.wait()
        return 0

    def change(self, paths: Sequence[str]) -> None:
        """Have a new child started; one that is starting now is out of date."""
        logger.info(
            "changed: %s; starting again",
            ", ".join(os.path.relpath(path, self.directory) for path in paths),
        )
        self.first = False
        self.due = True
        if self.starting is not None:
            self.overtaken, self.starting = self.starting, None
            self.let_go(self.overtaken)

    def start(self) -> None:
        """Start a child."""
        self.due = False
        self.end_pages()
        try:
            self.starting = Child(self.command, self.environ, self.fds, self.directory)
        except OSError as error:
            name = error.filename or self.command[0]
            logger.error("%s: %s; waiting for a change", name, error.strerror)
            return
        if self.caught:  # a signal came while it was made, and may have passed it by
            self.starting.end(signal.SIGTERM, self.patience)

    def let_go(self, child: Child) -> None:
        """Tell a child to drain and end."""
        child.end(signal.SIGTERM, self.patience)
        self.leaving.append(child)

    def look_after(self) -> int | None:
        """See what has become of the children; returns an exit code to end with, or None."""
        child = self.starting
        if child is not None and child.lifeline.is_ready():
            self.starting = None
            self.take_over(child)
        elif child is not None and (code := child.process.poll()) is not None:
            self.starting = None
            reason = child.lifeline.why_failed()
            child.lifeline.close()
            if self.first and code == EXIT_USAGE:
                return code
            self.say_failed(code, reason)
        child = self.serving
        if child is not None and (code := child.process.poll()) is not None:
            self.serving = None
            child.lifeline.close()
            if self.starting is None and not self.due:
                self.wait_without_server(code, "")
        self.look_after_leaving()
        return None

    def take_over(self, child: Child) -> None:
        """A child serves: the one before it may go."""
        if self.serving is not None:
            logger.info("the changed code serves; the old server finishes what it has")
            self.let_go(self.serving)
        self.serving = child
        self.notifier.ready()

    def say_failed(self, code: int, reason: str) -> None:
        """A child has ended before it served, and has said why."""
        if self.serving is not None and self.serving.process.poll() is None:
            self.serving.lifeline.tell_failure(reason or ended_with(code))
            logger.error(
                "the changed code did not start (exit code %d): the old code still serves, and "
                "browsers show the reason; waiting for a change",
                code,
            )
        else:
            self.wait_without_server(code, reason)

    def wait_without_server(self, code: int, reason: str) -> None:
        """Nothing serves until a file changes; visitors are told why."""
        logger.info("the server ended with exit code %d; waiting for a change", code)
        self.end_pages()
        self.pages = FailureServer(self.settings, self.sockets, reason or ended_with(code))

    def end_pages(self) -> None:
        if self.pages is not None:
            self.pages.end()
            self.pages = None

    def look_after_leaving(self) -> None:
        """Forget children that have ended; kill those that take too long."""
        for child in list(self.leaving):
            if child.kill_at is not None and time.monotonic() >= child.kill_at:
                logger.warning("the server has not ended after %g s; killing it", self.patience)
                child.process.kill()
                child.process.wait()
            if child.process.poll() is not None:
                child.lifeline.close()
                self.leaving.remove(child)
                if child is self.overtaken:
                    self.overtaken = None

    def finish(self) -> None:
        """End all children, and wait for them."""
        self.notifier.stopping()
        self.end_pages()
        self.leaving += [one for one in (self.starting, self.serving) if one is not None]
        self.starting = self.serving = None
        self.pass_on()
        for child in self.leaving:
            if child.kill_at is None and not self.stopping:
                child.end(signal.SIGTERM, self.patience)
        self.look_after_leaving()
        while self.leaving:
            self.wait()
            self.pass_on()
            self.look_after_leaving()

    def pass_on(self) -> None:
        """Pass the signals that came on to the children.

        Ctrl-C reaches every process of the terminal's foreground group, so a child has it already.
        A second one would make it drop the requests in flight; so one that is draining gets only
        the second, too.
        """
        while self.caught:
            number = self.caught.popleft()
            typed = number == signal.SIGINT and in_foreground()
            for child in self.leaving:
                if self.stopping or child.kill_at is None:
                    child.end(None if typed else number, self.patience)
            self.stopping = True

    def wait(self) -> None:
        """Sleep until a signal, a change, a child's word or end, or the time to kill one."""
        sources: list[socket.socket | Lifeline] = [self.woken]
        if self.starting is not None and not self.starting.lifeline.ended:
            sources.append(self.starting.lifeline)
        now = time.monotonic()
        self.notifier.beat(now)
        times = [one.kill_at for one in self.leaving if one.kill_at is not None]
        if self.notifier.beat_every is not None:
            times.append(now + self.notifier.beat_every)
        timeout = max(0.0, min(times) - now) if times else None
        select.select(sources, [], [], timeout)
        try:
            while self.woken.recv(4096):
                pass
        except BlockingIOError:
            pass

    def wake(self) -> None:
        """End a `wait`; from any thread."""
        try:
            self.waker.send(b"\0")
        except BlockingIOError:
            pass  # so full of wake-ups that one more says nothing

    @contextmanager
    def signals(self) -> "Iterator[None]":
        """Have signals and the ends of children wake this process while the block runs."""
        before = {number: signal.signal(number, self.on_signal) for number in STOP_SIGNALS}
        # Does nothing, but without it the end of a child would wake nobody.
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        descriptor = signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, former in before.items():
                signal.signal(number, former)
            self.woken.close()
            self.waker.close()

    def on_signal(self, number: int, frame: "FrameType | None") -> None:
        """Remember a signal that says stop."""
        self.caught.append(number)


def ended_with(code: int) -> str:
    """The reason to show where a child has not said why it ended."""
    return f"It ended with exit code {code}. The terminal may say why."


def in_foreground() -> bool:
    """Whether this process belongs to those that Ctrl-C in its terminal reaches."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
