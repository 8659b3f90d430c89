"""The worker processes of a supervisor, each with its channel and its slot of the board."""

import selectors
from collections.abc import Callable, Iterator

from bascule.observability.board import Board
from bascule.sockets.channel import Channel, channel_pair
from bascule.supervisor.control import Counts
from bascule.supervisor.spawner import WorkerProcess
from bascule.supervisor.table import WorkerStatus
from bascule.worker.trim import resident


class Workers:
    """The workers that were started and have not ended.

    selector: waits for their messages.
    on_readable: called with a worker when its channel is readable.
    processes: the workers, by their serial numbers.
    """

    def __init__(
        self, selector: selectors.BaseSelector, on_readable: Callable[[WorkerProcess], None]
    ) -> None:
        self.selector = selector
        self.on_readable = on_readable
        self.board = Board()
        self.processes: dict[int, WorkerProcess] = {}

    def add(self, serial: int, generation: int) -> tuple[WorkerProcess, Channel]:
        """Make a worker that is to be started; also its end of its channel. Raises OSError."""
        slot = self.board.take()
        try:
            ours, theirs = channel_pair()
        except OSError:
            self.board.give_back(slot)
            raise
        worker = WorkerProcess(serial, generation, ours, slot)
        self.processes[serial] = worker
        self.selector.register(ours, selectors.EVENT_READ, lambda: self.on_readable(worker))
        return worker, theirs

    def remove(self, worker: WorkerProcess) -> None:
        """Forget a worker that has ended."""
        if worker.channel.fileno() in self.selector.get_map():
            self.selector.unregister(worker.channel)
        worker.channel.close()
        del self.processes[worker.serial]
        self.board.give_back(worker.slot)

    def get(self, serial: int) -> WorkerProcess | None:
        return self.processes.get(serial)

    def has(self, worker: WorkerProcess) -> bool:
        """Whether it has not ended."""
        return worker.serial in self.processes

    def send_all(self, kind: str) -> None:
        """Send all of them a message that is nothing but its kind."""
        for worker in self.processes.values():
            worker.channel.send(kind)

    @property
    def channels(self) -> list[Channel]:
        """The supervisor's ends of their channels."""
        return [worker.channel for worker in self.processes.values()]

    def counts(self, serial: int) -> Counts | None:
        """Return what a worker has counted of itself; None when it has ended."""
        worker = self.get(serial)
        if worker is None:
            return None
        slot = worker.slot
        return Counts(
            worker.pid,
            slot.requests,
            slot.connections,
            slot.running,
            resident(worker.pid),
            slot.accepting,
        )

    def statuses(self, with_rss: bool) -> Iterator[WorkerStatus]:
        """Return what decisions about each of them need. with_rss: their memory as well."""
        for serial, worker in self.processes.items():
            slot = worker.slot
            rss = resident(worker.pid) if with_rss else 0
            yield WorkerStatus(serial, slot.silent_for(), slot.requests, rss, slot.stuck)

    def close(self) -> None:
        """Close the channels; in a forked process, its copies of them."""
        for channel in self.channels:
            channel.close()
