"""From a command to its exit code: serve in this process, or watch one that does.

Every command that serves comes through here: those of the command line, and those that a framework
has on its own.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from bascule import directory
from bascule.errors import EXIT_CRASH, StartupError, UsageError
from bascule.observability.stamps import with_zone_at_start
from bascule.settings import OPTIONS, Settings
from bascule.supervisor.sockets import inherited_sockets
from bascule.variables import READY_VARIABLE, STARTED_OVER_VARIABLE
from bascule.worker.lifeline import failures_told, inherited_lifeline
from bascule.worker.patched import RELOADER, refuse_patched

if TYPE_CHECKING:
    import socket

    from bascule.worker.applications import Load
    from bascule.worker.run import Loaded
    from bascule.worker.supervisor_link import SupervisorLink


def serve_or_watch(
    read_settings: Callable[[], Settings],
    load: "Load",
    start_over: Callable[[], Sequence[str] | None] = lambda: None,
) -> int:
    """Serve until a signal says stop; with `reload`, in a child that this command line starts
    again when files change; with workers, in as many.

    read_settings: called once, in either process. load: finds what a TARGET names. start_over: the
    command to become where there are to be workers and this process has imported a part of the
    application already: none of them would ever see that it has changed.
    Raises UsageError or StartupError.
    """
    if os.getpid() == 1:
        from bascule.supervisor.first import leave_first_place

        leave_first_place()
    lifeline = inherited_lifeline(os.environ)
    if lifeline is not None:
        lifeline.watch()
    directory.settle()
    has_started_over = os.environ.pop(STARTED_OVER_VARIABLE, "") != ""
    before = with_zone_at_start(os.environ)
    with failures_told(lifeline):
        settings = read_settings()
    workers = OPTIONS["workers"]
    if settings.supervised is not None and (command := start_over()) is not None:
        os.environ.clear()
        os.environ.update(before)
        if not os.environ.get(workers.variable):
            os.environ[STARTED_OVER_VARIABLE] = "1"
        os.environ[workers.variable] = str(workers.kind.plain(settings.supervised))
        os.execv(command[0], list(command))
    if has_started_over:
        # It was for this process only. A successor is to ask the project anew.
        os.environ.pop(workers.variable, None)
    sockets = inherited_sockets(os.environ)
    if settings.reload and sockets is None:
        from bascule.supervisor.reload import run_reloading

        refuse_patched(RELOADER)

        # A child finds out anew what a file has said to this process.
        os.environ.clear()
        os.environ.update(before)
        time.tzset()
        return run_reloading(settings, [sys.executable, *sys.orig_argv[1:]])
    from bascule.worker.run import preload, run

    if settings.supervised is None:
        if READY_VARIABLE in os.environ:
            # It could not take over: nothing but a supervisor tells the old one that it serves.
            raise UsageError(
                "the settings ask for no workers any more, and an upgrade is for a supervisor. "
                "Restart the server instead, or ask for workers = 1."
            )

        def serve() -> int:
            with failures_told(lifeline):
                return run(settings, sockets, load=load, lifeline=lifeline)

        return ended(serve)
    from bascule.supervisor.run import supervise

    def serve_as_worker(
        sockets: "Sequence[socket.socket]", supervisor: "SupervisorLink", loaded: "Loaded | None"
    ) -> int:
        return run(settings, sockets, load=load, supervisor=supervisor, loaded=loaded)

    prepare = partial(preload, settings, load=load) if settings.preload else None
    return supervise(settings, serve_as_worker, sockets, prepare)


def ended(serve: Callable[[], int]) -> int:
    """Return or raise as `serve` does, and have this process end: it has nothing else to do."""
    from bascule.worker.ending import end_within_reason

    code = EXIT_CRASH
    try:
        code = serve()
    except (UsageError, StartupError) as error:
        code = error.exit_code
        raise
    finally:
        end_within_reason(code, (signal.SIGTERM, signal.SIGINT))
    return code
