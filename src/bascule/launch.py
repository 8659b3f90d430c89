"""From settings to the exit code: the one place that chooses the process model.

    run_command    for commands: `bascule serve`, `bascule dev`, `manage.py serve`
    launch         the choice itself, for these commands and for `bascule.serve`

The settings decide:

    reload               this process watches files; a child with the same command line serves
                         (`development/reloader.py`)
    workers, and every   this process is a supervisor; the processes that it forks serve
    setting that needs   (`supervisor/run.py`)
    a supervisor
    none of these        this process serves (`worker/run.py`)

Process 1 of a container does none of this: it forks a child that does (`supervisor/first.py`).
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bascule import directory
from bascule.errors import EXIT_CRASH, StartupError, UsageError
from bascule.observability.stamps import with_zone_at_start
from bascule.settings import OPTIONS, Settings
from bascule.sockets.bind import close_listeners
from bascule.sockets.inherited import inherited_sockets
from bascule.variables import READY_VARIABLE, RELOADER_VARIABLE, STARTED_OVER_VARIABLE
from bascule.worker.applications import ApplicationSource, Load
from bascule.worker.listeners import complete
from bascule.worker.patched import RELOADER, refuse_patched
from bascule.worker.role import Standalone

if TYPE_CHECKING:
    from bascule.development.link import ReloaderLink


@dataclass(frozen=True, slots=True)
class CommandProcess:
    """A process that has only one purpose: to run a command that serves.

    environ: the environment for another process with the same command line.
    reloader: the link to the reloader that started this process; None without one.
    """

    environ: Mapping[str, str]
    reloader: "ReloaderLink | None"

    def reporting_failures(self) -> AbstractContextManager[None]:
        """Report errors that the block raises to the reloader."""
        return nullcontext() if self.reloader is None else self.reloader.reporting_failures()


def run_command(
    read_settings: Callable[[], Settings],
    load: Load,
    start_over: Callable[[], Sequence[str] | None] = lambda: None,
) -> int:
    """Read the settings, and serve until a signal ends it; return the exit code.

    read_settings: called once.
    load: returns the application that a TARGET names.
    start_over: called when the settings ask for workers. Returns a command to execute instead
        where this process has imported a part of the application already: workers forked from it
        would never see changes to that part.
    Raises UsageError or StartupError.
    """
    leave_first_place(may_start_over=True)
    reloader = link_to_reloader()
    directory.settle()
    has_started_over = os.environ.pop(STARTED_OVER_VARIABLE, "") != ""
    command = CommandProcess(with_zone_at_start(os.environ), reloader)
    with command.reporting_failures():
        settings = read_settings()
    workers = OPTIONS["workers"]
    if settings.supervised is not None and (become := start_over()) is not None:
        restore_environment(command)
        if not os.environ.get(workers.variable):
            os.environ[STARTED_OVER_VARIABLE] = "1"
        os.environ[workers.variable] = str(workers.kind.plain(settings.supervised))
        os.execv(become[0], list(become))
    if has_started_over:
        # The number was meant for this process only. A successor asks the project again.
        os.environ.pop(workers.variable, None)
    return launch(settings, ApplicationSource(load=load), command=command)


def leave_first_place(may_start_over: bool) -> None:
    """Where this is process 1, continue in a child of it, as far as that is possible."""
    if os.getpid() == 1:
        from bascule.supervisor.first import leave_first_place

        leave_first_place(may_start_over)


def link_to_reloader() -> "ReloaderLink | None":
    """Return the link to the reloader that started this process; None without one."""
    if RELOADER_VARIABLE not in os.environ:
        return None
    from bascule.development.link import inherited_link

    link = inherited_link(os.environ)
    link.watch()
    return link


def launch(
    settings: Settings,
    source: ApplicationSource,
    sockets: Sequence[socket.socket] | None = None,
    command: CommandProcess | None = None,
) -> int:
    """Serve until a signal ends it; return the exit code.

    source: the applications.
    sockets: listening sockets to use instead of the settings' addresses; the server closes them.
    command: the process, where it runs a command; None where it runs a program that calls
        `bascule.serve` and continues afterwards.
    Raises UsageError or StartupError.
    """
    if command is None:
        # The program that has called this may have done what is not to be done twice.
        leave_first_place(may_start_over=False)
    closes_sockets = sockets is not None
    inherited = inherited_sockets(os.environ)
    if sockets is None:
        sockets = inherited
    else:
        # A program that opens its sockets itself has not asked for those of its predecessor.
        close_listeners(inherited or ())
    if settings.reload and sockets is None and command is not None:
        from bascule.development.reloader import run_reloading

        refuse_patched(RELOADER)
        # A child reads the files itself.
        restore_environment(command)
        time.tzset()
        return run_reloading(settings, [sys.executable, *sys.orig_argv[1:]])
    if sockets is not None:
        sockets = complete(settings, sockets)
    if settings.supervised is not None:
        from bascule.supervisor.run import supervise

        return supervise(settings, source, sockets)
    from bascule.worker.run import run

    if READY_VARIABLE in os.environ:
        # The old supervisor would wait in vain: only a supervisor reports that it serves.
        raise UsageError(
            "the settings no longer ask for workers, and only a supervisor can take over from "
            "another. Restart the server instead, or set workers = 1."
        )
    if command is None:
        return run(settings, source, Standalone(sockets, closes_sockets))
    from bascule.worker.ending import end_at_once

    role = role_of(command, sockets)
    role.last_handlers = dict.fromkeys(ENDING_SIGNALS, end_at_once)

    def serve() -> int:
        with command.reporting_failures():
            return run(settings, source, role)

    return ended(serve)


def role_of(command: CommandProcess, sockets: Sequence[socket.socket] | None) -> Standalone:
    """Return the role of the process that serves for a command."""
    if command.reloader is None:
        return Standalone(sockets)
    from bascule.development.link import Reloaded

    return Reloaded(command.reloader, sockets)


def restore_environment(command: CommandProcess) -> None:
    """Give this process the environment that it was started with."""
    os.environ.clear()
    os.environ.update(command.environ)


# Once everything has stopped, each of them ends the process.
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def ended(serve: Callable[[], int]) -> int:
    """Return or raise as `serve` does, and see to it that this process ends afterwards."""
    from bascule.worker.ending import end_within_reason

    code = EXIT_CRASH
    try:
        code = serve()
    except (UsageError, StartupError) as error:
        code = error.exit_code
        raise
    finally:
        end_within_reason(code, ENDING_SIGNALS)
    return code
