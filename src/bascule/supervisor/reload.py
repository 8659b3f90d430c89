"""Start the server again when a file changes. For development.

This process binds the sockets, watches files and never imports the application. The server is a
child that is run by the same command line, so a new start reads everything anew: code, settings
file, env-file.

A child that ends by itself (a syntax error, a failed import) leaves this process waiting for the
next change. Only a first child that refuses its usage (exit code 2) ends it: then it is the
command that has to change, not a file.
"""

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bascule.errors import EXIT_USAGE, UsageError
from bascule.observability import logs
from bascule.settings import Settings
from bascule.settings.environment import SOCKETS_VARIABLE
from bascule.sockets.bind import close_listeners, open_listeners
from bascule.supervisor.sockets import handed_over

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from types import FrameType

logger = logging.getLogger("bascule")

# Beside Python's own: what is read once at start. No .json or .txt, which applications write
# themselves.
WATCHED_SUFFIXES = (".env", ".html", ".ini", ".jinja", ".j2", ".toml", ".yaml", ".yml")
LOOK_INTERVAL_MS = 500  # how soon a child that ended by itself is noticed
SPARE = 5.0  # seconds beyond the graceful stop until a child is killed
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_reloading(settings: Settings, command: Sequence[str]) -> int:
    """Serve by `command` in a child process until a signal says stop; returns the exit code.

    Raises BindError when an address cannot be listened on.
    """
    logs.configure(settings.log_level, settings.log_format, None, settings.debug)
    sockets = open_listeners(settings.addresses, settings.backlog)
    try:
        reloader = Reloader(command, sockets, settings.timeout_graceful_shutdown + SPARE)
        return reloader.run(directories(settings), named_files(settings))
    finally:
        close_listeners(sockets)


def directories(settings: Settings) -> list[str]:
    """Return what to watch: --reload-dir, else the application's directory."""
    return list(settings.reload_dir) or [settings.app_dir or os.curdir]


def named_files(settings: Settings) -> set[str]:
    """Return the files that settings come from and that may lie anywhere."""
    named = (settings.config, settings.env_file, settings.log_config)
    return {os.path.abspath(path) for path in named if path is not None}


class Reloader:
    """One child at a time, and the reasons to replace it."""

    def __init__(
        self, command: Sequence[str], sockets: "Sequence[socket.socket]", patience: float
    ) -> None:
        """command: what the child runs. patience: seconds a child may take to stop."""
        self.command = list(command)
        self.fds = [sock.fileno() for sock in sockets]
        self.environ = {**os.environ, SOCKETS_VARIABLE: handed_over(sockets)}
        self.patience = patience
        self.stopping = threading.Event()
        self.child: subprocess.Popen[bytes] | None = None

    def run(self, directories: Sequence[str], files: set[str]) -> int:
        """Watch until a signal comes, and return the exit code."""
        with self.signals():
            self.start()
            try:
                return self.watch(watched_changes(directories, files, self.stopping))
            finally:
                self.finish()

    def watch(self, changes: Iterable[Sequence[str]]) -> int:
        """Replace the child at each change; an empty one is a moment to look after it."""
        first = True
        told = False
        for paths in changes:
            if paths:
                logger.info("changed: %s; starting again", ", ".join(map(os.path.relpath, paths)))
                self.stop()
                self.start()
                first = told = False
            elif not told and (code := self.exit_code()) is not None:
                if first and code == EXIT_USAGE:
                    return code
                logger.info("the server ended with exit code %d; waiting for a change", code)
                told = True
        return 0

    def start(self) -> None:
        """Start a child, unless a signal has come meanwhile."""
        if self.stopping.is_set():
            return
        self.child = subprocess.Popen(self.command, env=self.environ, pass_fds=self.fds)
        if self.stopping.is_set():  # it came while the child was made, and passed it by
            self.child.terminate()

    def exit_code(self) -> int | None:
        """Return the exit code of a child that has ended."""
        return None if self.child is None else self.child.poll()

    def stop(self) -> None:
        """End the child gracefully, and wait for it."""
        if self.child is not None:
            self.child.terminate()
            self.wait()

    def finish(self) -> None:
        """Wait for the child, which a signal has told to end if there was one."""
        if self.stopping.is_set() and self.child is not None:
            self.wait()
        else:
            self.stop()

    def wait(self) -> None:
        """Wait until the child has ended; kill it when it takes too long."""
        assert self.child is not None
        try:
            self.child.wait(self.patience)
        except subprocess.TimeoutExpired:
            logger.warning("the server has not ended after %g s; killing it", self.patience)
            self.child.kill()
            self.child.wait()

    @contextmanager
    def signals(self) -> "Iterator[None]":
        """Have signals end the watch and the child, for as long as the block runs."""
        before = {number: signal.signal(number, self.on_signal) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, former in before.items():
                signal.signal(number, former)

    def on_signal(self, number: int, frame: "FrameType | None") -> None:
        """Pass a signal on to the child.

        Ctrl-C reaches every process of the terminal's foreground group, so the child has it
        already. A second one would make it drop the requests in flight.
        """
        self.stopping.set()
        if self.child is not None and not (number == signal.SIGINT and in_foreground()):
            self.child.send_signal(number)


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


def watched_changes(
    directories: Sequence[str], files: set[str], stopping: threading.Event
) -> "Iterator[list[str]]":
    """Yield the paths of each change, and an empty list now and then, until `stopping` is set."""
    from watchfiles import Change, PythonFilter, watch

    logger.info("watching %s", ", ".join(map(os.path.abspath, directories)))

    python = PythonFilter(extra_extensions=WATCHED_SUFFIXES)

    def wanted(change: Change, path: str) -> bool:
        return path in files or python(change, path)

    changes = watch(
        *directories,
        *files,
        watch_filter=wanted,
        stop_event=stopping,
        rust_timeout=LOOK_INTERVAL_MS,
        yield_on_timeout=True,
    )
    try:
        for change in changes:
            yield sorted({path for _, path in change})
    except (OSError, RuntimeError) as error:
        raise UsageError(
            f"cannot watch {', '.join(directories)}: {error}.\n"
            "Give fewer directories with --reload-dir, or raise fs.inotify.max_user_watches."
        ) from None
