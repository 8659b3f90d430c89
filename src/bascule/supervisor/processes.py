"""Fork a process, and tell in words how one has ended."""

import os
import signal
import traceback
from collections.abc import Iterable

from bascule.errors import EXIT_CRASH, StartupError, UsageError
from bascule.worker import forks


class Forked(BaseException):
    """Raised in a process that was just forked from the supervisor.

    It unwinds the supervisor's stack there, and closes whatever the supervisor has open.
    """


def fork(caught: Iterable[int]) -> int:
    """Fork, and return the pid: 0 in the new process, where the signals `caught` have their
    default action.

    Raises OSError.
    """
    # A signal that arrives before the new process has handlers of its own would run ours.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, caught)
    try:
        with forks.own_forks():
            pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in caught:
                signal.signal(number, signal.SIG_DFL)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def exit_status(pid: int) -> int | None:
    """Return the status of a child that has ended, as of waitpid; None while it runs."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        # SIGCHLD is ignored, as a program that calls `bascule.serve` may have set it.
        return 0
    return status if ended else None


def describe_end(status: int, failure: str) -> tuple[str, int | None]:
    """Return how a process has ended, in words, and its exit code; None for a signal.

    failure: what the process has reported before.
    """
    code = os.waitstatus_to_exitcode(status)
    return describe_exit_code(code, failure), code if code >= 0 else None


def describe_exit_code(code: int, failure: str) -> str:
    """Return how a process has ended, for the log. code: a signal where it is negative."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = "; was it out of memory?" if -code == signal.SIGKILL else ""
        return f"was ended by {name}{hint}"
    reported = f":\n{failure}" if failure else ""
    return f"ended with exit code {code}{reported}"


def describe_failure(error: Exception) -> tuple[str, int]:
    """Return why a process cannot serve, for people, and its exit code.

    Called in an `except` clause.
    """
    if isinstance(error, (UsageError, StartupError)):
        return str(error), error.exit_code
    return traceback.format_exc(), EXIT_CRASH
