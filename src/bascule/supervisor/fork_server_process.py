"""The process of a fork server: it imports the application, and forks workers.

`fork_server` has its part in the whole, and its messages.
"""

import errno
import gc
import logging
import os
import selectors
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable

from bascule.observability import logs
from bascule.observability.board import Slot
from bascule.observability.waiting import waiting_for
from bascule.registry import before_fork
from bascule.sockets.channel import Channel, ChannelMessage
from bascule.sockets.inherited import adopted
from bascule.stacks import SUPERVISOR_THREAD
from bascule.supervisor.processes import describe_failure, exit_status, fork
from bascule.worker import forks
from bascule.worker.role import Loaded, Supervised
from bascule.worker.run import end_process, flush_streams
from bascule.worker.supervisor_link import SUPERVISOR_SIGNALS, SupervisorLink, stacks_of_threads

logger = logging.getLogger("bascule")

# Signals that are passed on to the supervisor. Not those that a terminal sends to all of its
# processes, nor those whose number of arrivals counts: tools of service managers send them to all
# processes, too.
PASSED_ON = (signal.SIGTERM, signal.SIGHUP)

# Imports the application. Raises whatever keeps it from being served.
Prepare = Callable[[], Loaded]


class ForkServerProcess:
    """A fork server, from its own fork on.

    channel: to the supervisor.
    numbers: those of the board.
    messages: of the supervisor, not handled yet.
    workers: the pid of each worker, by its serial number.
    has_supervisor: the supervisor has not closed its end of the channel.
    """

    def __init__(self, channel: Channel, numbers: "memoryview[int]") -> None:
        self.channel = channel
        self.numbers = numbers
        self.messages: deque[ChannelMessage] = deque()
        self.workers: dict[int, int] = {}
        self.has_supervisor = True

    def run(self, prepare: Prepare) -> Supervised:
        """Load the application, then fork workers until the supervisor wants no more.

        Returns in each worker; the fork server itself ends in here.
        """
        for number in SUPERVISOR_SIGNALS:
            forks.catch(number, forks.nothing)
        forks.hold(self.descriptors)
        loaded = self.load(prepare)
        # Objects that exist by now stay, in every worker: garbage collection must not copy their
        # pages.
        gc.collect()
        gc.freeze()
        # It ends when its supervisor and its workers have ended, not by a signal. A signal that
        # an application sends to its parent is meant for the supervisor, which is its parent
        # without --preload.
        before = {number: signal.getsignal(number) for number in (*PASSED_ON, signal.SIGCHLD)}
        for number in before:
            forks.catch(number, forks.nothing)
        # Workers get the reader.
        reader, writer = os.pipe()
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            message = self.serve(selector, wake)
        # This process is a worker.
        for number, former in before.items():
            forks.give_back(number, former)
        self.channel.close()
        os.close(writer)
        wake.close()
        woken.close()
        for later in self.messages:
            close_all(later.get("descriptors", ()))
        return forked_worker(message, self.numbers, reader, loaded)

    def descriptors(self) -> list[int]:
        """Return the descriptors that processes forked by the application must not have."""
        return [self.channel.fileno()]

    # Loading.

    def load(self, prepare: Prepare) -> Loaded:
        """Import the application, and report how that went."""
        listener = threading.Thread(target=self.listen, name=SUPERVISOR_THREAD, daemon=True)
        listener.start()
        try:
            with waiting_for("the import of the application", self.report_waiting):
                loaded = prepare()
            for prepare_fork in before_fork:
                prepare_fork()
        except Exception as error:
            text, code = describe_failure(error)
            self.channel.send("failed", text=text)
            end_process(code)
        self.channel.send("loaded")
        # The thread ends with the supervisor's answer: a process that forks should have no
        # threads.
        listener.join()
        threads = threading.enumerate()
        threads.remove(threading.main_thread())
        if threads:
            logger.warning(
                "--preload: the application has started threads while it was imported, which "
                "workers will not have: %s. Start them in lifespan startup or with the first "
                "request",
                ", ".join(thread.name for thread in threads),
            )
        return loaded

    def report_waiting(self, text: str) -> None:
        """Report that the import takes long."""
        self.channel.send("waiting", text=text)

    def listen(self) -> None:
        """Answer the supervisor in a thread until everything is loaded: an import may hang."""
        while True:
            messages = self.channel.receive()
            if messages is None:
                # The supervisor has ended, or gave the reload up.
                end_process(0)
            self.messages += messages
            while self.messages:
                message = self.messages.popleft()
                if message["kind"] == "go":
                    return
                self.on_message(message)

    # Forking.

    def serve(self, selector: selectors.BaseSelector, wake: socket.socket) -> ChannelMessage:
        """Carry out what the supervisor asks for.

        Returns in a worker, with the message that asked for it.
        """
        while True:
            while self.messages:
                message = self.messages.popleft()
                if message["kind"] != "fork":
                    self.on_message(message)
                elif self.fork(message):
                    return message
            self.reap()
            if not self.has_supervisor and not self.workers:
                end_process(0)
            ready = [key.fileobj for key, _ in selector.select()]
            if wake in ready:
                self.pass_on(wake.recv(4096))
            if self.channel in ready:
                messages = self.channel.receive()
                if messages is None:
                    # Workers notice it as well, and drain.
                    self.has_supervisor = False
                    selector.unregister(self.channel)
                else:
                    self.messages += messages

    def pass_on(self, numbers: bytes) -> None:
        """Pass signals that this process has received on to the supervisor."""
        for number in numbers:
            if number in PASSED_ON:
                self.channel.send("passed on", number=number)

    def on_message(self, message: ChannelMessage) -> None:
        match message["kind"]:
            case "signal":
                serial = message["serial"]
                if serial in self.workers:
                    # Not reaped yet, so no other process can have this pid.
                    os.kill(self.workers[serial], message["number"])
                self.channel.send("signalled", serial=serial)
            case "stacks":
                self.channel.send("stacks", text=stacks_of_threads())
            case "reopen":
                logs.reopen()

    def fork(self, message: ChannelMessage) -> bool:
        """Fork a worker; True in the worker."""
        serial = message["serial"]
        if len(message["descriptors"]) < message["count"]:
            close_all(message["descriptors"])
            self.channel.send("fork failed", serial=serial, text=os.strerror(errno.EMFILE))
            return False
        # Text that waits in a buffer would be printed by each worker again.
        flush_streams()
        try:
            pid = fork((*PASSED_ON, signal.SIGCHLD))
        except OSError as error:
            self.channel.send("fork failed", serial=serial, text=error.strerror)
        else:
            if pid == 0:
                return True
            self.workers[serial] = pid
            self.channel.send("forked", serial=serial, pid=pid)
        close_all(message["descriptors"])
        return False

    def reap(self) -> None:
        """Report the workers that have ended."""
        for serial, pid in list(self.workers.items()):
            status = exit_status(pid)
            if status is not None:
                del self.workers[serial]
                self.channel.send("ended", serial=serial, status=status)


def forked_worker(
    message: ChannelMessage,
    numbers: "memoryview[int]",
    fork_server: int,
    loaded: Loaded,
) -> Supervised:
    """Make a worker of what came with the message that asked for it.

    fork_server: as of `SupervisorLink`.
    """
    channel, *listeners = message["descriptors"]
    sockets = [
        adopted(descriptor, name)
        for descriptor, name in zip(listeners, message["names"], strict=True)
    ]
    for sock in sockets:
        sock.setblocking(False)
    slot = Slot(numbers, message["slot"])
    link = SupervisorLink(
        message["serial"], slot, Channel(socket.socket(fileno=channel)), fork_server
    )
    return Supervised(link, sockets, loaded)


def close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
