"""How the supervisor starts, signals and reaps its workers.

A `Spawner` does that, and reports to its `WorkerObserver`, the supervisor, what becomes of them.
With a `DirectSpawner` the supervisor itself is the parent of its workers. With --preload they are
its grandchildren, forked by a fork server (`fork_server`).
"""

import os
from collections.abc import Sequence
from typing import Protocol

from bascule.observability.board import Slot
from bascule.sockets.channel import Channel, ChannelMessage
from bascule.supervisor.processes import Forked, describe_end, exit_status, fork
from bascule.worker.supervisor_link import SupervisorLink


class WorkerProcess:
    """A worker, as the supervisor has it.

    serial: its number, never given twice.
    generation: the code it was started for.
    channel: messages to and from it.
    slot: its part of the board.
    pid: 0 until it is known.
    failure: why it does not serve, as it has reported.
    owes_exit_hook: --on-worker-start was called, and --on-worker-exit was not yet.
    """

    def __init__(self, serial: int, generation: int, channel: Channel, slot: Slot) -> None:
        self.serial = serial
        self.generation = generation
        self.channel = channel
        self.slot = slot
        self.pid = 0
        self.failure = ""
        self.owes_exit_hook = False

    @property
    def name(self) -> str:
        """Its name in the log."""
        return f"worker {self.serial}" + (f" (pid {self.pid})" if self.pid else "")


class WorkerForked(Forked):
    """Raised in a process that is a worker now."""

    def __init__(self, link: SupervisorLink) -> None:
        self.link = link


class WorkerObserver(Protocol):
    """Receives what a spawner has to report."""

    def on_message(self, worker: WorkerProcess, message: ChannelMessage) -> None:
        """A worker has sent this, or its fork server on its behalf."""

    def read_last_messages(self, worker: WorkerProcess) -> None:
        """A worker has ended: read what is left in its channel."""

    def on_ended(self, worker: WorkerProcess, how: str, code: int | None) -> None:
        """A worker has ended.

        how: in words.
        code: its exit code; None for a signal, or where it cannot be known.
        """

    def on_signal_passed_on(self, number: int) -> None:
        """A fork server has received a signal that is meant for the supervisor."""

    def on_fork_server_ended(self, workers: Sequence[WorkerProcess], how: str) -> None:
        """The fork server of these workers has ended. They drain; `on_ended` follows for each."""


class Spawner(Protocol):
    """Starts, signals and reaps workers."""

    def start(self, worker: WorkerProcess, theirs: Channel) -> None:
        """Have a worker forked, now or later.

        theirs: the worker's end of its channel, closed here once the worker has it.
        Raises OSError where that fails now, and Forked in the new process.
        """

    def signal(self, worker: WorkerProcess, number: int) -> None:
        """Send a worker a signal, unless it has ended."""

    def reap(self) -> None:
        """Find the processes that have ended, and report them."""

    def ask_stacks(self, worker: WorkerProcess) -> None:
        """Ask a worker for its stacks, which arrive as a message."""

    def on_channel_closed(self, worker: WorkerProcess) -> None:
        """The worker has closed its end of the channel: it has ended, or is about to."""

    def keep_only(self, generation: int) -> None:
        """Let go of what only workers of other generations needed."""

    def reopen_logs(self) -> None:
        """Have processes other than workers open the files of their logs again."""

    def end(self) -> None:
        """End all processes: no worker is left, and none will be started."""

    def close(self) -> None:
        """Close what is open in this process; forked processes have their own copies."""


class DirectSpawner:
    """Forks workers from the supervisor itself. There are no other processes to look after.

    caught: the signals that the supervisor catches.
    """

    def __init__(self, observer: WorkerObserver, caught: Sequence[int]) -> None:
        self.observer = observer
        self.caught = caught
        self.workers: dict[int, WorkerProcess] = {}

    def start(self, worker: WorkerProcess, theirs: Channel) -> None:
        worker.pid = fork(self.caught)
        if worker.pid == 0:
            raise WorkerForked(SupervisorLink(worker.serial, worker.slot, theirs))
        theirs.close()
        self.workers[worker.serial] = worker

    def signal(self, worker: WorkerProcess, number: int) -> None:
        if worker.serial in self.workers:
            # Not reaped yet, so no other process can have this pid.
            os.kill(worker.pid, number)

    def reap(self) -> None:
        for serial, worker in list(self.workers.items()):
            status = exit_status(worker.pid)
            if status is not None:
                del self.workers[serial]
                self.observer.read_last_messages(worker)
                self.observer.on_ended(worker, *describe_end(status, worker.failure))

    def ask_stacks(self, worker: WorkerProcess) -> None:
        worker.channel.send("stacks")

    def on_channel_closed(self, worker: WorkerProcess) -> None:
        """SIGCHLD tells the same, and more."""

    def keep_only(self, generation: int) -> None:
        """There is nothing but workers."""

    def reopen_logs(self) -> None:
        """Workers have their own."""

    def end(self) -> None:
        """There is nothing but workers."""

    def close(self) -> None:
        """The channels are the supervisor's."""
