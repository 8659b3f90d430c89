"""--preload: the application is imported once, and workers are forked from that process.

For each generation of code the supervisor forks a fork server (`fork_server_process`). It imports
the application, reports that, and forks a worker whenever it is asked to, so that all of them
share its memory. The supervisor itself never imports the application: a reload begins a new fork
server, which reads the new code.

    supervisor to fork server   fork (with the worker's end of its channel, and the sockets to
                                serve on), signal, stacks, reopen; go, in answer to loaded
    fork server to supervisor   loaded or failed; forked or fork failed; ended, with a worker's
                                exit status; signalled; passed on, with a signal that the
                                application has sent to its parent; stacks

The fork server is the parent of its workers. It alone learns how they end, and whether a pid is
still theirs: so it sends them the supervisor's signals, and reports the rest. It has none of the
listening sockets: a process that keeps one open keeps the kernel from refusing connections that
no worker accepts any more.

The order in which they end:

- a generation that is not wanted any more: the supervisor closes the channel of its fork server
  when the last worker of that generation has ended, and the fork server ends;
- the supervisor: all channels are closed. Workers drain, and fork servers end behind their last
  worker;
- a fork server: each worker has the reading end of a pipe whose writing end only the fork server
  has. The workers drain, and the supervisor has others forked, by a new fork server.
"""

import logging
import os
import selectors
import signal
import socket
from collections.abc import Sequence

from bascule.sockets.channel import Channel, ChannelMessage, channel_pair
from bascule.sockets.named import name_of
from bascule.supervisor.fork_server_process import ForkServerProcess
from bascule.supervisor.processes import Forked, describe_end, exit_status, fork
from bascule.supervisor.spawner import WorkerObserver, WorkerProcess

logger = logging.getLogger("bascule")


class ForkServerForked(Forked):
    """Raised in a process that is a fork server now."""

    def __init__(self, process: ForkServerProcess) -> None:
        self.process = process


class ForkServer:
    """A fork server, as the supervisor has it.

    generation: of the code that it has imported.
    channel: messages to and from it.
    is_loaded: the application is imported.
    failure: why it could not be, as the fork server has reported.
    waiting: workers to be forked once it has loaded, with their ends of their channels.
    forked: workers that it was asked for, until it reports their end.
    unanswered: workers that it has to kill, and has not answered about.
    """

    def __init__(self, generation: int, pid: int, channel: Channel) -> None:
        self.generation = generation
        self.pid = pid
        self.channel = channel
        self.is_loaded = False
        self.failure = ""
        self.waiting: dict[int, tuple[WorkerProcess, Channel]] = {}
        self.forked: dict[int, WorkerProcess] = {}
        self.unanswered: set[int] = set()

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent to it."""
        return self.channel.fileno() >= 0

    def has(self, worker: WorkerProcess) -> bool:
        """Whether this worker is forked by it, or will be."""
        return worker.serial in self.waiting or worker.serial in self.forked


class ForkServerSpawner:
    """Has workers forked by fork servers, one for each generation of code.

    caught: the signals that the supervisor catches.
    listeners: what workers serve on.
    numbers: those of the board.
    current: the fork servers that may be asked for workers, by their generation.
    running: the fork servers whose processes have not been reaped.
    orphans: workers whose fork server has ended before them. Only the end of their channels tells
        that they have ended, too.
    """

    def __init__(
        self,
        observer: WorkerObserver,
        caught: Sequence[int],
        selector: selectors.BaseSelector,
        listeners: Sequence[socket.socket],
        numbers: "memoryview[int]",
    ) -> None:
        self.observer = observer
        self.caught = caught
        self.selector = selector
        self.listeners = listeners
        self.numbers = numbers
        self.current: dict[int, ForkServer] = {}
        self.running: list[ForkServer] = []
        self.orphans: dict[int, WorkerProcess] = {}

    # Requests of the supervisor.

    def start(self, worker: WorkerProcess, theirs: Channel) -> None:
        server = self.current.get(worker.generation)
        if server is None:
            try:
                server = self.start_server(worker.generation)
            except Forked:
                theirs.close()
                raise
        server.waiting[worker.serial] = (worker, theirs)
        if server.is_loaded:
            self.fork_waiting(server)

    def start_server(self, generation: int) -> ForkServer:
        """Fork a fork server."""
        ours, theirs = channel_pair()
        try:
            pid = fork(self.caught)
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            ours.close()
            raise ForkServerForked(ForkServerProcess(theirs, self.numbers))
        theirs.close()
        self.current[generation] = server = ForkServer(generation, pid, ours)
        self.running.append(server)
        self.selector.register(ours, selectors.EVENT_READ, lambda: self.on_readable(server))
        return server

    def fork_waiting(self, server: ForkServer) -> None:
        """Ask a fork server that has loaded for all workers that wait for it."""
        while server.waiting:
            serial = next(iter(server.waiting))
            worker, theirs = server.waiting.pop(serial)
            descriptors = [theirs.fileno(), *(sock.fileno() for sock in self.listeners)]
            was_sent = server.channel.send(
                "fork",
                descriptors,
                serial=serial,
                slot=worker.slot.index,
                count=len(descriptors),
                names=[name_of(sock) for sock in self.listeners],
            )
            theirs.close()
            if was_sent:
                server.forked[serial] = worker
            else:
                self.observer.on_ended(
                    worker, "could not be forked: its fork server has ended", None
                )

    def signal(self, worker: WorkerProcess, number: int) -> None:
        server = next((one for one in self.running if one.has(worker)), None)
        if worker.serial in self.orphans:
            worker.channel.send("signal", number=number)
        elif server is None:
            return
        elif worker.serial in server.waiting:
            _, theirs = server.waiting.pop(worker.serial)
            theirs.close()
            self.observer.on_ended(worker, "was not forked yet", None)
        elif number == signal.SIGKILL and worker.serial in server.unanswered:
            # The last request to kill it is so old that the fork server itself must hang.
            os.kill(server.pid, signal.SIGKILL)
        else:
            if number == signal.SIGKILL:
                server.unanswered.add(worker.serial)
            server.channel.send("signal", serial=worker.serial, number=number)

    def ask_stacks(self, worker: WorkerProcess) -> None:
        server = next((one for one in self.running if worker.serial in one.waiting), None)
        # A worker that is not forked yet waits for what its fork server does.
        (worker if server is None else server).channel.send("stacks")

    def reopen_logs(self) -> None:
        for server in self.running:
            server.channel.send("reopen")

    def keep_only(self, generation: int) -> None:
        for server in list(self.running):
            if server.generation > generation:
                # Its reload was given up. The next one has the same number, and other code.
                self.retire(server)
            is_wanted = self.is_current(server) and server.generation == generation
            if not is_wanted and not server.waiting and not server.forked:
                self.dismiss(server)

    def retire(self, server: ForkServer) -> None:
        """Ask it for no more workers."""
        if self.is_current(server):
            del self.current[server.generation]

    def is_current(self, server: ForkServer) -> bool:
        return self.current.get(server.generation) is server

    def dismiss(self, server: ForkServer) -> None:
        """Close its channel; it ends when it notices."""
        self.retire(server)
        if server.is_open:
            if server.channel.fileno() in self.selector.get_map():
                self.selector.unregister(server.channel)
            server.channel.close()

    def end(self) -> None:
        # They have no worker left, and are about to end by themselves, or hang in an import.
        for server in self.running:
            os.kill(server.pid, signal.SIGKILL)
            try:
                os.waitpid(server.pid, 0)
            except ChildProcessError:
                pass  # SIGCHLD is ignored
        self.close()
        self.running.clear()

    def close(self) -> None:
        for server in self.running:
            server.channel.close()
            for _, theirs in server.waiting.values():
                theirs.close()

    # Reports of fork servers.

    def on_readable(self, server: ForkServer) -> None:
        if not server.is_open:
            return
        messages = server.channel.receive()
        if messages is None:
            # It is about to end; SIGCHLD tells how.
            self.selector.unregister(server.channel)
            self.retire(server)
            return
        for message in messages:
            self.on_message(server, message)

    def on_message(self, server: ForkServer, message: ChannelMessage) -> None:
        kind = message["kind"]
        if kind == "loaded":
            server.is_loaded = True
            server.channel.send("go")
            logger.info("the application is loaded, in pid %d; workers share it", server.pid)
            self.fork_waiting(server)
        elif kind == "failed":
            server.failure = message["text"]
        elif kind == "passed on":
            self.observer.on_signal_passed_on(message["number"])
        elif kind in ("stacks", "waiting"):
            for worker, _ in list(server.waiting.values()):
                self.observer.on_message(worker, message)
        elif message["serial"] in server.forked:
            self.on_worker_message(server, server.forked[message["serial"]], message)

    def on_worker_message(
        self, server: ForkServer, worker: WorkerProcess, message: ChannelMessage
    ) -> None:
        match message["kind"]:
            case "forked":
                worker.pid = message["pid"]
            case "signalled":
                server.unanswered.discard(worker.serial)
            case "fork failed":
                del server.forked[worker.serial]
                self.observer.on_ended(worker, f"could not be forked: {message['text']}", None)
            case "ended":
                del server.forked[worker.serial]
                server.unanswered.discard(worker.serial)
                self.observer.read_last_messages(worker)
                self.observer.on_ended(worker, *describe_end(message["status"], worker.failure))

    def reap(self) -> None:
        for server in list(self.running):
            status = exit_status(server.pid)
            if status is not None:
                self.on_server_ended(server, status)
        for worker in list(self.orphans.values()):
            if worker.pid and not exists(worker.pid):
                # A process that it has forked itself may keep its channel open.
                self.on_channel_closed(worker)

    def on_server_ended(self, server: ForkServer, status: int) -> None:
        """A fork server has ended; workers that it leaves behind are orphans."""
        while messages := server.channel.receive():
            for message in messages:
                self.on_message(server, message)
        self.dismiss(server)
        self.running.remove(server)
        how, code = describe_end(status, server.failure)
        waiting, server.waiting = server.waiting, {}
        for _, theirs in waiting.values():
            theirs.close()
        if server.forked:
            self.orphans |= server.forked
            self.observer.on_fork_server_ended(
                list(server.forked.values()), f"the fork server (pid {server.pid}) {how}"
            )
        for worker, _ in waiting.values():
            self.observer.on_ended(worker, how, code)
        for worker in server.forked.values():
            # Its channel may have been closed before.
            if worker.channel.fileno() not in self.selector.get_map():
                self.on_channel_closed(worker)

    def on_channel_closed(self, worker: WorkerProcess) -> None:
        if self.orphans.pop(worker.serial, None) is not None:
            self.observer.on_ended(worker, "has ended", None)


def exists(pid: int) -> bool:
    """Whether there is a process of this user with that pid."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
