"""Process 1 of a container, which reaps orphans and passes signals on to the server.

A process whose parent has ended becomes a child of process 1, which has to wait for its end, or it
stays in the process table as a zombie. A server that is process 1 could wait for every child; but
then the application would not learn how programs ended that it has started itself, which process 1
cannot tell from orphans. So the server is not process 1: that process forks the server, before
anything is imported, and does nothing but

- reap whatever becomes its child;
- pass signals on to the server, except those that a terminal has sent to the server as well;
- end as the server ends: with its exit code, or 128 and the number of its signal, as shells do.

Rejected: requiring `docker run --init`, which is forgotten until the process table is full;
reaping only children that have been dead for a while, which takes exit codes from an application
that asks late.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterable
from typing import NoReturn

from bascule.observability.stamps import with_zone_at_start
from bascule.variables import LISTEN_PID, WATCHDOG_PID

FIRST = 1
# Variables that name a process: this one at first, and then the server.
FOR_PROCESS = (LISTEN_PID, WATCHDOG_PID)
# si_code of a signal that the kernel has sent, here on behalf of a terminal (sigaction(2)).
SI_KERNEL = 0x80
# Signals that cannot be caught, those by which a program fails, and that of children that have
# ended or stopped.
NOT_PASSED_ON = frozenset(
    {
        signal.SIGKILL,
        signal.SIGSTOP,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGCHLD,
    }
)


def leave_first_place(may_start_over: bool = True) -> None:
    """Where this is process 1, continue in a child of it, and reap and pass signals on here.

    may_start_over: whether the command line of this process can be run again from its beginning,
        which replaces what a child does not inherit. Otherwise a process 1 with threads or
        children keeps its place, and serves: a program may wait for the children it has started.
    """
    if os.getpid() != FIRST:
        return
    has_threads = threading.active_count() > 1
    if not may_start_over and (has_threads or has_children()):
        return
    passed_on = signal.valid_signals() - NOT_PASSED_ON
    # Blocked, not caught: a signal that arrives before the server exists must not be lost.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*passed_on, signal.SIGCHLD})
    server = os.fork()
    if server:
        look_after(server, passed_on)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for name in FOR_PROCESS:
        if os.environ.get(name) == str(FIRST):
            os.environ[name] = str(os.getpid())
    if has_threads:
        # Settings that manage.py has imported have started threads, which do not survive a fork.
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(command[0], command, with_zone_at_start(os.environ))


def has_children() -> bool:
    """Whether this process has any child, running or not reaped yet."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def look_after(server: int, passed_on: Iterable[int]) -> NoReturn:
    """Act as process 1 until the server has ended."""
    while True:
        came = signal.sigwaitinfo({*passed_on, signal.SIGCHLD})
        if came.si_signo == signal.SIGCHLD:
            status = reap(server)
            if status is not None:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)
        elif came.si_code != SI_KERNEL:
            os.kill(server, came.si_signo)


def reap(server: int) -> int | None:
    """Reap all children that have ended; returns the status of the server if it has."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == server:
            found = status
