"""The role of a process that serves: what it gets from the process that started it, and what it
owes that process.

    Standalone      started by a shell, a service manager, or a program that calls `bascule.serve`
    Supervised      a worker: forked by a supervisor, or by the process that a supervisor forks
                    workers from
    Reloaded        started by a reloader (`bascule.development.link`)

`run` asks the role; nothing else in a process knows which of them it is.
"""

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from bascule.interfaces.exchange import Interface
from bascule.loading.application import Application
from bascule.observability.board import Slot
from bascule.settings import Settings
from bascule.worker import forks

if TYPE_CHECKING:
    from bascule.sockets.tls import WatchedContext
    from bascule.worker.supervisor_link import SupervisorLink

logger = logging.getLogger("bascule")

# Makes the interface that connections get from the application's, which is None without one.
WrapInterface = Callable[[Interface | None], Interface]
# Drains, then ends the process with that exit code. May be called from any thread, at any time.
Stop = Callable[[int], None]
# Called on the loop's thread once connections are accepted and signals are caught.
OnReady = Callable[[Stop], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of importing the application: all that a worker needs.

    applications: the applications to serve.
    tls: the TLS context of connections; None without TLS.
    """

    applications: Sequence[Application]
    tls: "WatchedContext | None"


class Standalone:
    """A process that only the operator and the service manager control.

    sockets: the listening sockets that it was given; None to open those of the settings.
    closes_sockets: whether it closes these when it stops accepting; otherwise its caller does.
    on_ready: called once it serves, with a function that stops it.
    """

    # Whether SIGINT, SIGUSR1 and shutdown_delay are the business of another process.
    is_supervised = False
    # Whether this process talks to the service manager and writes the PID file.
    represents_service = True
    loaded: Loaded | None = None
    slot: Slot | None = None
    # Handlers of signals that arrive once everything has stopped, in place of those of before.
    last_handlers: Mapping[int, forks.Handler] = MappingProxyType({})
    # In development: makes the interface of connections from the application's.
    wrap_interface: WrapInterface | None = None

    def __init__(
        self,
        sockets: Sequence[socket.socket] | None = None,
        closes_sockets: bool = False,
        on_ready: OnReady | None = None,
    ) -> None:
        self.sockets = sockets
        self.closes_sockets = closes_sockets
        self.on_ready = on_ready

    def begin(self, settings: Settings) -> None:
        """Take note of the settings, before anything is imported."""

    def report_waiting(self, text: str) -> None:
        """Report what the start waits for, which takes long."""
        logger.info(text)

    def report_start_hook_called(self) -> None:
        """Report that --on-worker-start has been called."""

    def report_exit_hook_called(self) -> None:
        """Report that --on-worker-exit has been called."""

    def report_stopping(self) -> None:
        """Report that the process drains because of a signal."""

    def report_ready(self, lines: list[str], stop: Stop) -> None:
        """Report that connections are accepted.

        lines: what is served, for people.
        stop: ends this process.
        """
        if self.on_ready is not None:
            self.on_ready(stop)
        for line in lines:
            logger.info(line)

    def describe_stacks_by(self, stacks: Callable[[], str]) -> None:
        """Use this function when another process asks what this one is doing."""

    def reopen_logs_by(self, reopen: Callable[[], None]) -> None:
        """Use this function when another process asks for the files of logs to be reopened."""


class Supervised(Standalone):
    """A worker under a supervisor.

    link: to the supervisor.
    sockets: what it serves on. It closes them when it stops: a worker that leaves must not keep
        them open.
    loaded: the applications, where they were imported before the fork.
    """

    is_supervised = True
    represents_service = False

    def __init__(
        self,
        link: "SupervisorLink",
        sockets: Sequence[socket.socket],
        loaded: Loaded | None = None,
    ) -> None:
        super().__init__(sockets, closes_sockets=True)
        self.link = link
        self.slot = link.slot
        self.loaded = loaded

    def report_waiting(self, text: str) -> None:
        self.link.report_waiting(text)

    def report_start_hook_called(self) -> None:
        self.link.report_start_hook_called()

    def report_exit_hook_called(self) -> None:
        self.link.report_exit_hook_called()

    def report_ready(self, lines: list[str], stop: Stop) -> None:
        self.link.report_ready(lines)

    def describe_stacks_by(self, stacks: Callable[[], str]) -> None:
        self.link.describe_stacks = stacks

    def reopen_logs_by(self, reopen: Callable[[], None]) -> None:
        self.link.reopen_logs = reopen
