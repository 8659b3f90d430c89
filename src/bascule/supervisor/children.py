"""How workers come to be and end, as the supervisor has them.

A `Parent` has them forked, signalled and reaped, and tells its `Household` what becomes of them.
`Forks` are the plain one: the supervisor itself is the parent of its workers. With nurseries
(`nursery`) they are its grandchildren.
"""

import os
import signal
import traceback
from collections.abc import Iterable, Sequence
from typing import Protocol

from bascule.errors import EXIT_CRASH, StartupError, UsageError
from bascule.observability.board import Slot
from bascule.sockets.channel import Channel, Message
from bascule.worker import forks
from bascule.worker.seat import Seat


class Child:
    """A worker. pid: 0 until it is known."""

    def __init__(self, serial: int, generation: int, channel: Channel, slot: Slot) -> None:
        self.serial = serial
        self.generation = generation
        self.channel = channel
        self.slot = slot
        self.pid = 0
        # What it has said of why it does not serve.
        self.complaint = ""
        # The application was told of its start, and not of its end yet.
        self.owes_end = False

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return f"worker {self.serial}" + (f" (pid {self.pid})" if self.pid else "")


class Forked(BaseException):
    """This process is no supervisor any more. Unwinds the supervisor's stack, and with it all it
    has open."""


class WorkerForked(Forked):
    """It is a worker."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat


class Household(Protocol):
    """Who is told."""

    def said(self, child: Child, message: Message) -> None:
        """A worker has said something, or its parent in its place."""

    def last_words(self, child: Child) -> None:
        """A worker has ended: what it said last is there to be read."""

    def ended(self, child: Child, how: str, code: int | None) -> None:
        """A worker has ended. how: in words. code: its exit code; None for a signal, and where
        nobody knows."""

    def signalled(self, number: int) -> None:
        """The parent of workers has had a signal that is meant for the supervisor."""

    def nursery_ended(self, children: Sequence[Child], how: str) -> None:
        """The parent of these workers has ended. They drain, and their end will be told."""


class Parent(Protocol):
    """What a supervisor can have done with its workers, and what is to be called when."""

    def start(self, child: Child, theirs: Channel) -> None:
        """Have it forked, now or later. theirs: its end of its channel, which is closed here
        when it has it.

        Raises OSError where that fails now, and Forked in the new process.
        """

    def signal(self, child: Child, number: int) -> None:
        """Send it a signal, unless it has ended."""

    def reap(self) -> None:
        """Some process may have ended."""

    def ask_stacks(self, child: Child) -> None:
        """Have it say what it does."""

    def fell_silent(self, child: Child) -> None:
        """Its channel has ended, so it has, or is about to."""

    def let_go(self, generation: int) -> None:
        """This generation is wanted; what only others needed can go."""

    def reopen_logs(self) -> None:
        """The files of logs were moved away."""

    def end(self) -> None:
        """No worker is left, and none will be started."""

    def close(self) -> None:
        """Close what is open here; what was forked has its own."""


class Forks:
    """The supervisor forks its workers itself. There are no other processes to look after.

    caught: the signals that it catches.
    """

    def __init__(self, household: Household, caught: Sequence[int]) -> None:
        self.household = household
        self.caught = caught
        self.children: dict[int, Child] = {}

    def start(self, child: Child, theirs: Channel) -> None:
        child.pid = fork(self.caught)
        if child.pid == 0:
            raise WorkerForked(Seat(child.serial, child.slot, theirs))
        theirs.close()
        self.children[child.serial] = child

    def signal(self, child: Child, number: int) -> None:
        if child.serial in self.children:
            # It is not reaped yet, so its pid is nobody else's.
            os.kill(child.pid, number)

    def reap(self) -> None:
        for serial, child in list(self.children.items()):
            status = exit_status(child.pid)
            if status is not None:
                del self.children[serial]
                self.household.last_words(child)
                self.household.ended(child, *end_of(status, child.complaint))

    def ask_stacks(self, child: Child) -> None:
        child.channel.send("stacks")

    def fell_silent(self, child: Child) -> None:
        """SIGCHLD says the same, and more."""

    def let_go(self, generation: int) -> None:
        """There is nothing but workers."""

    def reopen_logs(self) -> None:
        """Workers have their own."""

    def end(self) -> None:
        """Nobody else is there."""

    def close(self) -> None:
        """Channels are the supervisor's."""


def fork(caught: Iterable[int]) -> int:
    """Fork; the pid, 0 in the new process, where nothing is done about the signals `caught`.

    Raises OSError.
    """
    # A signal that comes before the new process has handlers of its own would go to ours.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, caught)
    try:
        with forks.forks_of_ours():
            pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in caught:
                signal.signal(number, signal.SIG_DFL)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def exit_status(pid: int) -> int | None:
    """The status of a child that has ended, as of waitpid; None while it lives."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        # Somebody has set SIGCHLD to be ignored, in the program that serves.
        return 0
    return status if ended else None


def end_of(status: int, complaint: str) -> tuple[str, int | None]:
    """How a process has ended, in words, and its exit code; None for a signal."""
    code = os.waitstatus_to_exitcode(status)
    return how_it_ended(code, complaint), code if code >= 0 else None


def why_not(error: Exception) -> tuple[str, int]:
    """Why a process does not serve, for people, and its exit code. For an `except` clause."""
    if isinstance(error, (UsageError, StartupError)):
        return str(error), error.exit_code
    return traceback.format_exc(), EXIT_CRASH


def how_it_ended(code: int, complaint: str) -> str:
    """In words, for the log."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = "; was it out of memory?" if -code == signal.SIGKILL else ""
        return f"was ended by {name}{hint}"
    said = f":\n{complaint}" if complaint else ""
    return f"ended with exit code {code}{said}"
