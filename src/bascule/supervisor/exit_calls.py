"""--on-worker-exit for workers that could not call it, such as those that were killed.

The function is called in a process of its own, forked for that from the supervisor. Rejected: the
supervisor itself, which would have to import code of the application, could never read it anew,
and would hang where that code hangs; and a fork server, which not every server
has, and which may be what has ended.

The process imports the module of the function and nothing else of the application.
"""

import logging
import os
import signal
import time
from collections.abc import Sequence
from typing import NoReturn

from bascule import directory
from bascule.errors import EXIT_CRASH, StartupError, UsageError
from bascule.settings import Settings
from bascule.supervisor.processes import Forked, exit_status, fork
from bascule.worker import forks
from bascule.worker.hooks import find_hook
from bascule.worker.privileges import wanted_identity
from bascule.worker.run import end_process
from bascule.worker.supervisor_link import SUPERVISOR_SIGNALS

logger = logging.getLogger("bascule")

# Seconds that a call may take, the import included.
PATIENCE = 30.0


class ExitCallForked(Forked):
    """Raised in a process that is to call the function. pid: of the worker that has ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


class ExitCalls:
    """The processes that call the function, as the supervisor has them.

    caught: the signals that the supervisor catches.
    running: when each of them is killed, by its pid.
    """

    def __init__(self, caught: Sequence[int]) -> None:
        self.caught = caught
        self.running: dict[int, float] = {}

    def begin(self, pid: int) -> None:
        """Have the function called for a worker that has ended. pid: the worker's.

        Raises ExitCallForked in the process that calls it.
        """
        try:
            child = fork(self.caught)
        except OSError as error:
            logger.error(
                "--on-worker-exit is not called for the process %d: %s", pid, error.strerror
            )
            return
        if child == 0:
            raise ExitCallForked(pid)
        self.running[child] = time.monotonic() + PATIENCE

    def give_up(self) -> None:
        """Kill all of them."""
        for child in self.running:
            os.kill(child, signal.SIGKILL)

    def reap(self) -> None:
        """Forget those that have ended; kill those that take too long."""
        for child, until in list(self.running.items()):
            if exit_status(child) is not None:
                del self.running[child]
            elif time.monotonic() >= until:
                logger.error("--on-worker-exit has not returned after %g s; killing it", PATIENCE)
                os.kill(child, signal.SIGKILL)
                self.running[child] = float("inf")


def call_exit_hook(settings: Settings, pid: int, start: str) -> NoReturn:
    """Call the function, and end this process. start: the directory to do it in."""
    for number in SUPERVISOR_SIGNALS:
        # Ctrl-C is the server's business.
        forks.catch(number, forks.nothing)
    try:
        directory.come_back(start)
        for name, value in settings.app_environment.items():
            os.environ.setdefault(name, value)
        identity = wanted_identity(settings.user, settings.group)
        if identity is not None:
            identity.assume()
        hook = find_hook(settings, "on_worker_exit")
        if hook is not None:
            hook.end(pid)
    except (UsageError, StartupError) as error:
        logger.error("cannot call --on-worker-exit for the process %d: %s", pid, error)
        end_process(EXIT_CRASH)
    end_process(0)
