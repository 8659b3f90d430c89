"""`bascule dev`: start the server again when a file changes.

The reloader binds the sockets, watches files and never imports the application. The server is a
child process with the same command line, so each start reads everything anew: code, settings file,
env-file.

At a change a second server is started beside the one that serves. When it reports that it serves,
the old one is asked to drain. A server that does not get so far (a syntax error, a failed import)
has logged why, and the old one keeps serving. A change while a server starts ends that one and
starts the next: never more than one starts at a time, and the latest code wins.

Browsers get the reason of the failure from the server with the old code, or, where none serves,
from a thread of the reloader (`failure_page`).

Only a first server that refuses its usage (exit code 2) ends the reloader: then the command has to
change, not a file. Servers end with their reloader, even where it is killed (`link`).
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

from bascule.development.failure_page import FailureServer
from bascule.development.link import ServerLink
from bascule.development.watch import FileWatch, directories, named_files
from bascule.directory import current
from bascule.errors import EXIT_USAGE
from bascule.observability import logs
from bascule.settings import Settings
from bascule.sockets.bind import close_listeners
from bascule.sockets.inherited import descriptor_numbers
from bascule.sockets.systemd import Notifier
from bascule.variables import RELOADER_VARIABLE, SOCKETS_VARIABLE
from bascule.worker.listeners import listening_sockets
from bascule.worker.pidfile import PidFile
from bascule.worker.privileges import wanted_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

logger = logging.getLogger("bascule")

SPARE = 5.0  # seconds beyond the graceful stop until a server is killed
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_reloading(settings: Settings, command: Sequence[str]) -> int:
    """Serve in child processes until a signal says stop; returns the exit code.

    command: starts a server.

    Raises BindError when an address cannot be listened on, UsageError when the files cannot be
    watched, the user is unknown, or the PID file names another server.
    """
    if settings.umask is not None:
        os.umask(settings.umask)
    logs.configure(settings.log_level, settings.log_format, None, settings.debug)
    # The server changes its user, since it imports the application; the reloader stays what it is,
    # to start the next one.
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


class ServerProcess:
    """A server.

    link: to it.
    kill_at: when it is killed if it has not ended; None until it is asked to end.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        fds: Sequence[int],
        directory: str | None = None,
    ) -> None:
        self.link = ServerLink()
        end = self.link.theirs.fileno()
        try:
            self.process = subprocess.Popen(
                command,
                env={**environ, RELOADER_VARIABLE: str(end)},
                pass_fds=[*fds, end],
                cwd=directory,
            )
        except BaseException:
            self.link.close()
            raise
        self.link.close_theirs()
        self.kill_at: float | None = None

    def end(self, number: int | None, patience: float) -> None:
        """Tell it to end.

        number: the signal; None where it has received it already.
        patience: seconds until it is killed.
        """
        if number is not None:
            self.process.send_signal(number)
        if self.kill_at is None:
            self.kill_at = time.monotonic() + patience


class Reloader:
    """The servers, and the reasons to replace the one that serves. Runs on one thread, which
    sleeps in `wait`.

    command: starts a server.
    patience: seconds that a server may take to stop.
    pages: tells browsers what has failed, while no server serves.
    serving: the server that has reported that it is ready, and has not ended.
    starting: the server that has not reported it yet.
    leaving: servers that have been asked to end.
    overtaken: the one of them that a change ended while it started: the next one waits for its
        end.
    due: a server is to be started.
    first: no file has changed yet.
    caught: signals that are not handled yet.
    stopping: a signal was passed on to the servers.
    """

    def __init__(
        self, command: Sequence[str], sockets: Sequence[socket.socket], settings: Settings
    ) -> None:
        self.command = list(command)
        self.settings = settings
        self.sockets = sockets
        self.fds = [sock.fileno() for sock in sockets]
        self.environ = {**os.environ, SOCKETS_VARIABLE: descriptor_numbers(sockets)}
        self.patience = settings.timeout_graceful_shutdown + SPARE
        self.directory = current()
        self.pages: FailureServer | None = None
        self.serving: ServerProcess | None = None
        self.starting: ServerProcess | None = None
        self.leaving: list[ServerProcess] = []
        self.overtaken: ServerProcess | None = None
        self.due = True
        self.first = True
        self.caught: deque[int] = deque()
        self.stopping = False
        self.notifier = Notifier.of(os.environ, os.getpid())
        self.woken, self.waker = socket.socketpair()
        self.woken.setblocking(False)
        self.waker.setblocking(False)

    def run(self, directories: Sequence[str], files: set[str]) -> int:
        """Serve until a signal says stop; returns the exit code."""
        with self.signals():
            watch = FileWatch(directories, files, self.wake)
            try:
                return self.watch(watch)
            finally:
                watch.end()
                self.finish()

    def watch(self, watch: FileWatch) -> int:
        """Replace the server at each change, until a signal says stop."""
        while not self.caught:
            if paths := watch.changes():
                self.on_change(paths)
            code = self.check_servers()
            if code is not None:
                return code
            if self.due and self.overtaken is None:
                self.start()
            self.wait()
        return 0

    def on_change(self, paths: Sequence[str]) -> None:
        """Have a new server started. A server that is starting now is out of date."""
        logger.info(
            "changed: %s; starting again",
            ", ".join(os.path.relpath(path, self.directory) for path in paths),
        )
        self.first = False
        self.due = True
        if self.starting is not None:
            self.overtaken, self.starting = self.starting, None
            self.drain(self.overtaken)

    def start(self) -> None:
        """Start a server."""
        self.due = False
        self.end_pages()
        try:
            self.starting = ServerProcess(self.command, self.environ, self.fds, self.directory)
        except OSError as error:
            name = error.filename or self.command[0]
            logger.error("%s: %s; waiting for a change", name, error.strerror)
            return
        if self.caught:  # a signal of the terminal may have arrived before the process existed
            self.starting.end(signal.SIGTERM, self.patience)

    def drain(self, server: ServerProcess) -> None:
        """Tell a server to drain and end."""
        server.end(signal.SIGTERM, self.patience)
        self.leaving.append(server)

    def check_servers(self) -> int | None:
        """Check what has become of the servers; returns an exit code to end with, or None."""
        server = self.starting
        if server is not None and server.link.is_ready():
            self.starting = None
            self.take_over(server)
        elif server is not None and (code := server.process.poll()) is not None:
            self.starting = None
            reason = server.link.why_failed()
            server.link.close()
            if self.first and code == EXIT_USAGE:
                return code
            self.on_failed_start(code, reason)
        server = self.serving
        if server is not None and (code := server.process.poll()) is not None:
            self.serving = None
            server.link.close()
            if self.starting is None and not self.due:
                self.wait_without_server(code, "")
        self.check_leaving()
        return None

    def take_over(self, server: ServerProcess) -> None:
        """A server is ready: drain the one before it."""
        if self.serving is not None:
            logger.info("the changed code serves; the old server finishes what is in flight")
            self.drain(self.serving)
        self.serving = server
        self.notifier.ready()

    def on_failed_start(self, code: int, reason: str) -> None:
        """A server has ended before it was ready. reason: as it has reported."""
        if self.serving is not None and self.serving.process.poll() is None:
            self.serving.link.send_failure(reason or ended_with(code))
            logger.error(
                "the changed code failed to start (exit code %d): the old code keeps serving, and "
                "browsers show the reason; waiting for a change",
                code,
            )
        else:
            self.wait_without_server(code, reason)

    def wait_without_server(self, code: int, reason: str) -> None:
        """Show the reason to browsers until a file changes: no server serves."""
        logger.info("the server ended with exit code %d; waiting for a change", code)
        self.end_pages()
        self.pages = FailureServer(self.settings, self.sockets, reason or ended_with(code))

    def end_pages(self) -> None:
        if self.pages is not None:
            self.pages.end()
            self.pages = None

    def check_leaving(self) -> None:
        """Forget servers that have ended; kill those that take too long."""
        for server in list(self.leaving):
            if server.kill_at is not None and time.monotonic() >= server.kill_at:
                logger.warning("the server has not ended after %g s; killing it", self.patience)
                server.process.kill()
                server.process.wait()
            if server.process.poll() is not None:
                server.link.close()
                self.leaving.remove(server)
                if server is self.overtaken:
                    self.overtaken = None

    def finish(self) -> None:
        """End all servers, and wait for them."""
        self.notifier.stopping()
        self.end_pages()
        self.leaving += [one for one in (self.starting, self.serving) if one is not None]
        self.starting = self.serving = None
        self.pass_on()
        for server in self.leaving:
            if server.kill_at is None and not self.stopping:
                server.end(signal.SIGTERM, self.patience)
        self.check_leaving()
        while self.leaving:
            self.wait()
            self.pass_on()
            self.check_leaving()

    def pass_on(self) -> None:
        """Pass signals on to the servers.

        Ctrl-C reaches every process of the terminal's foreground group, so a server has received
        it already. Two signals would make it drop the requests in flight: to a server that drains,
        only the second one is passed on.
        """
        while self.caught:
            number = self.caught.popleft()
            typed = number == signal.SIGINT and in_foreground()
            for server in self.leaving:
                if self.stopping or server.kill_at is None:
                    server.end(None if typed else number, self.patience)
            self.stopping = True

    def wait(self) -> None:
        """Sleep until a signal, a change, a report or the end of a server, or the time to kill
        one."""
        sources: list[socket.socket | ServerLink] = [self.woken]
        if self.starting is not None and not self.starting.link.ended:
            sources.append(self.starting.link)
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
        """End a `wait`. May be called in any thread."""
        try:
            self.waker.send(b"\0")
        except BlockingIOError:
            pass  # full of wake-ups, so one more is not needed

    @contextmanager
    def signals(self) -> "Iterator[None]":
        """Let signals and the end of a server wake this process while the block runs."""
        before = {number: signal.signal(number, self.on_signal) for number in STOP_SIGNALS}
        # Does nothing, but without a handler SIGCHLD would not wake `wait`.
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
        """Keep a signal that says stop."""
        self.caught.append(number)


def ended_with(code: int) -> str:
    """Return the reason to show where a server has not reported one."""
    return f"It ended with exit code {code}. The terminal may say why."


def in_foreground() -> bool:
    """Whether Ctrl-C in the terminal reaches this process."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
