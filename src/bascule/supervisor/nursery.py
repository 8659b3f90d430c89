"""--preload: the application is imported once, and workers are forked from it.

For each generation of code the supervisor forks a nursery. That imports the application, says so,
and forks a worker whenever it is asked to, so that all of them share its memory. The supervisor
itself never imports it: a reload begins a new nursery, which reads new code.

    supervisor to nursery       fork (with the worker's end of its channel, and the sockets to
                                serve on), signal, stacks, reopen; go, in answer to loaded
    nursery to supervisor       loaded or failed; forked or unforked; ended, with a worker's exit
                                status; signalled; passed on, with a signal that the application
                                has sent to its parent; stacks

The nursery is the parent of its workers. It alone learns how they end, and whether a pid is still
theirs: so it sends them the supervisor's signals, and reports the rest. It has none of the
listening sockets, because whoever has one open keeps the kernel from refusing connections that
nobody takes any more.

Who goes first:

- a generation that is not wanted any more: the supervisor closes the channel of its nursery when
  the last worker of it has ended, and the nursery ends;
- the supervisor: the channels of all end. Workers drain, nurseries end behind their last worker;
- a nursery: each worker has the reading end of a pipe whose writing end only the nursery has. They
  drain, and the supervisor has others forked, by a new nursery.
"""

import errno
import gc
import logging
import os
import selectors
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bascule.observability import logs
from bascule.observability.board import Slot
from bascule.observability.waiting import waiting_for
from bascule.sockets.channel import Channel, Message, channel_pair
from bascule.supervisor.children import (
    Child,
    Forked,
    Household,
    end_of,
    exit_status,
    fork,
    why_not,
)
from bascule.supervisor.sockets import adopted
from bascule.worker import forks
from bascule.worker.run import Loaded, end_process, flush_streams
from bascule.worker.seat import UNHEARD, Seat, stacks_of_threads

logger = logging.getLogger("bascule")

# Signals that a nursery passes on to the supervisor. Not those that a terminal sends to all of its
# processes, nor those that count how often they come: tools of service managers do the same.
PASSED_ON = (signal.SIGTERM, signal.SIGHUP)

# Imports the application. Raises whatever keeps it from being served.
Prepare = Callable[[], Loaded]


class NurseryForked(Forked):
    """This process is a nursery now."""

    def __init__(self, process: "NurseryProcess") -> None:
        self.process = process


# The supervisor's side.


class Nursery:
    """A nursery, as the supervisor has it.

    waiting: workers to be forked when it has loaded, with their ends of their channels. forked:
    those that it was asked for, until it says that they have ended. unanswered: those that it was
    told to kill and has not.
    """

    def __init__(self, generation: int, pid: int, channel: Channel) -> None:
        self.generation = generation
        self.pid = pid
        self.channel = channel
        self.is_loaded = False
        self.complaint = ""
        self.waiting: dict[int, tuple[Child, Channel]] = {}
        self.forked: dict[int, Child] = {}
        self.unanswered: set[int] = set()

    @property
    def is_open(self) -> bool:
        """Whether it can still be asked for something."""
        return self.channel.fileno() >= 0

    def has(self, child: Child) -> bool:
        """Whether it looks after this worker."""
        return child.serial in self.waiting or child.serial in self.forked


class Nurseries:
    """Has workers forked by nurseries, one for each generation.

    caught: the signals that the supervisor catches. listeners: what workers serve on. numbers: of
    the board.
    """

    def __init__(
        self,
        household: Household,
        caught: Sequence[int],
        selector: selectors.BaseSelector,
        listeners: Sequence[socket.socket],
        numbers: "memoryview[int]",
    ) -> None:
        self.household = household
        self.caught = caught
        self.selector = selector
        self.listeners = listeners
        self.numbers = numbers
        # Those that may be asked for workers, by their generation.
        self.current: dict[int, Nursery] = {}
        # Those whose processes are there.
        self.all: list[Nursery] = []
        # Workers whose nursery has ended before them: nobody can tell when they have but the end
        # of their channels.
        self.orphans: dict[int, Child] = {}

    def start(self, child: Child, theirs: Channel) -> None:
        nursery = self.current.get(child.generation)
        if nursery is None:
            try:
                nursery = self.begin(child.generation)
            except Forked:
                theirs.close()
                raise
        nursery.waiting[child.serial] = (child, theirs)
        if nursery.is_loaded:
            self.fork_waiting(nursery)

    def begin(self, generation: int) -> Nursery:
        """Fork a nursery."""
        ours, theirs = channel_pair()
        try:
            pid = fork(self.caught)
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            ours.close()
            raise NurseryForked(NurseryProcess(theirs, self.numbers))
        theirs.close()
        self.current[generation] = nursery = Nursery(generation, pid, ours)
        self.all.append(nursery)
        self.selector.register(ours, selectors.EVENT_READ, lambda: self.on_message(nursery))
        return nursery

    def fork_waiting(self, nursery: Nursery) -> None:
        """It has loaded: ask for all that wait."""
        while nursery.waiting:
            serial = next(iter(nursery.waiting))
            child, theirs = nursery.waiting.pop(serial)
            descriptors = [theirs.fileno(), *(sock.fileno() for sock in self.listeners)]
            was_sent = nursery.channel.send(
                "fork",
                descriptors,
                serial=serial,
                slot=child.slot.index,
                count=len(descriptors),
            )
            theirs.close()
            if was_sent:
                nursery.forked[serial] = child
            else:
                self.household.ended(child, "could not be forked: its nursery has gone", None)

    def signal(self, child: Child, number: int) -> None:
        nursery = next((one for one in self.all if one.has(child)), None)
        if child.serial in self.orphans:
            child.channel.send("signal", number=number)
        elif nursery is None:
            return
        elif child.serial in nursery.waiting:
            _, theirs = nursery.waiting.pop(child.serial)
            theirs.close()
            self.household.ended(child, "was not forked yet", None)
        elif number == signal.SIGKILL and child.serial in nursery.unanswered:
            # It was told so long ago that it must be stopped or stuck itself.
            os.kill(nursery.pid, signal.SIGKILL)
        else:
            if number == signal.SIGKILL:
                nursery.unanswered.add(child.serial)
            nursery.channel.send("signal", serial=child.serial, number=number)

    def ask_stacks(self, child: Child) -> None:
        nursery = next((one for one in self.all if child.serial in one.waiting), None)
        # Who is not forked yet waits for what its nursery does.
        (child if nursery is None else nursery).channel.send("stacks")

    def reopen_logs(self) -> None:
        for nursery in self.all:
            nursery.channel.send("reopen")

    def on_message(self, nursery: Nursery) -> None:
        if not nursery.is_open:
            return
        messages = nursery.channel.receive()
        if messages is None:
            # It ends; SIGCHLD says how.
            self.selector.unregister(nursery.channel)
            self.retire(nursery)
            return
        for message in messages:
            self.take(nursery, message)

    def take(self, nursery: Nursery, message: Message) -> None:
        kind = message["kind"]
        if kind == "loaded":
            nursery.is_loaded = True
            nursery.channel.send("go")
            logger.info("the application is loaded, in pid %d; workers share it", nursery.pid)
            self.fork_waiting(nursery)
        elif kind == "failed":
            nursery.complaint = message["text"]
        elif kind == "passed on":
            self.household.signalled(message["number"])
        elif kind in ("stacks", "waiting"):
            for child, _ in list(nursery.waiting.values()):
                self.household.said(child, message)
        elif message["serial"] in nursery.forked:
            self.take_of_worker(nursery, nursery.forked[message["serial"]], message)

    def take_of_worker(self, nursery: Nursery, child: Child, message: Message) -> None:
        match message["kind"]:
            case "forked":
                child.pid = message["pid"]
            case "signalled":
                nursery.unanswered.discard(child.serial)
            case "unforked":
                del nursery.forked[child.serial]
                self.household.ended(child, f"could not be forked: {message['text']}", None)
            case "ended":
                del nursery.forked[child.serial]
                nursery.unanswered.discard(child.serial)
                self.household.last_words(child)
                self.household.ended(child, *end_of(message["status"], child.complaint))

    def reap(self) -> None:
        for nursery in list(self.all):
            status = exit_status(nursery.pid)
            if status is not None:
                self.bury(nursery, status)
        for child in list(self.orphans.values()):
            if child.pid and not exists(child.pid):
                # Some process that it has forked itself may hold its channel open.
                self.fell_silent(child)

    def bury(self, nursery: Nursery, status: int) -> None:
        """It has ended, and its workers, if it has any, are orphans."""
        while messages := nursery.channel.receive():
            for message in messages:
                self.take(nursery, message)
        self.forget(nursery)
        self.all.remove(nursery)
        how, code = end_of(status, nursery.complaint)
        waiting, nursery.waiting = nursery.waiting, {}
        for _, theirs in waiting.values():
            theirs.close()
        if nursery.forked:
            self.orphans |= nursery.forked
            self.household.nursery_ended(
                list(nursery.forked.values()), f"the nursery (pid {nursery.pid}) {how}"
            )
        for child, _ in waiting.values():
            self.household.ended(child, how, code)
        for child in nursery.forked.values():
            # Its channel may have ended before.
            if child.channel.fileno() not in self.selector.get_map():
                self.fell_silent(child)

    def fell_silent(self, child: Child) -> None:
        if self.orphans.pop(child.serial, None) is not None:
            self.household.ended(child, "has ended", None)

    def forget(self, nursery: Nursery) -> None:
        """It is asked for nothing more, and will end when it has noticed."""
        self.retire(nursery)
        if nursery.is_open:
            if nursery.channel.fileno() in self.selector.get_map():
                self.selector.unregister(nursery.channel)
            nursery.channel.close()

    def let_go(self, generation: int) -> None:
        for nursery in list(self.all):
            if nursery.generation > generation:
                # Its reload was given up. The next one has the same number, and other code.
                self.retire(nursery)
            is_wanted = self.is_current(nursery) and nursery.generation == generation
            if not is_wanted and not nursery.waiting and not nursery.forked:
                self.forget(nursery)

    def retire(self, nursery: Nursery) -> None:
        """It is asked for no more workers."""
        if self.is_current(nursery):
            del self.current[nursery.generation]

    def is_current(self, nursery: Nursery) -> bool:
        return self.current.get(nursery.generation) is nursery

    def end(self) -> None:
        # They have no worker left, and are about to end by themselves, or hang in an import.
        for nursery in self.all:
            os.kill(nursery.pid, signal.SIGKILL)
            try:
                os.waitpid(nursery.pid, 0)
            except ChildProcessError:
                pass  # SIGCHLD is ignored
        self.close()
        self.all.clear()

    def close(self) -> None:
        for nursery in self.all:
            nursery.channel.close()
            for _, theirs in nursery.waiting.values():
                theirs.close()


def exists(pid: int) -> bool:
    """Whether there is a process of this user with that pid."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


# The nursery's side.


@dataclass(frozen=True, slots=True)
class Hatched:
    """What a worker has from its nursery."""

    seat: Seat
    sockets: Sequence[socket.socket]
    loaded: Loaded


class NurseryProcess:
    """A nursery, from its fork on. channel: to the supervisor. numbers: of the board."""

    def __init__(self, channel: Channel, numbers: "memoryview[int]") -> None:
        self.channel = channel
        self.numbers = numbers
        self.messages: deque[Message] = deque()
        self.workers: dict[int, int] = {}
        self.has_supervisor = True

    def tend(self, prepare: Prepare) -> Hatched:
        """Load the application, then fork workers until nobody wants any more.

        Returns in each worker; the nursery itself ends in here.
        """
        for number in UNHEARD:
            forks.catch(number, forks.nothing)
        forks.hold(self.descriptors)
        loaded = self.load(prepare)
        # What is here by now stays, in every worker: collecting garbage must not copy its pages.
        gc.collect()
        gc.freeze()
        # Its end is that of its supervisor and its workers. What an application sends to its
        # parent is meant for the supervisor, as which it knows it without --preload.
        before = {number: signal.getsignal(number) for number in (*PASSED_ON, signal.SIGCHLD)}
        for number in before:
            forks.catch(number, forks.nothing)
        # Workers have the reader.
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
        return hatched(message, self.numbers, reader, loaded)

    def descriptors(self) -> list[int]:
        """Descriptors that processes forked by the application must not have."""
        return [self.channel.fileno()]

    # Loading.

    def load(self, prepare: Prepare) -> Loaded:
        """Import the application, and say what has become of it."""
        listener = threading.Thread(target=self.listen, name="bascule supervisor", daemon=True)
        listener.start()
        try:
            with waiting_for("the import of the application", self.say_waiting):
                loaded = prepare()
            let_go_of_databases()
        except Exception as error:
            text, code = why_not(error)
            self.channel.send("failed", text=text)
            end_process(code)
        self.channel.send("loaded")
        # It ends with the answer. A process that forks had better have no threads.
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

    def say_waiting(self, text: str) -> None:
        """The import takes long."""
        self.channel.send("waiting", text=text)

    def listen(self) -> None:
        """In a thread, until the supervisor has heard that all is loaded: imports may hang."""
        while True:
            messages = self.channel.receive()
            if messages is None:
                # Nobody is left to load for.
                end_process(0)
            self.messages += messages
            while self.messages:
                message = self.messages.popleft()
                if message["kind"] == "go":
                    return
                self.take(message)

    # Forking.

    def serve(self, selector: selectors.BaseSelector, wake: socket.socket) -> Message:
        """Do what the supervisor says. Returns in a worker, with the message that asked for it."""
        while True:
            while self.messages:
                message = self.messages.popleft()
                if message["kind"] != "fork":
                    self.take(message)
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
                    # Workers notice the same.
                    self.has_supervisor = False
                    selector.unregister(self.channel)
                else:
                    self.messages += messages

    def pass_on(self, numbers: bytes) -> None:
        """Signals have come to this process."""
        for number in numbers:
            if number in PASSED_ON:
                self.channel.send("passed on", number=number)

    def take(self, message: Message) -> None:
        match message["kind"]:
            case "signal":
                serial = message["serial"]
                if serial in self.workers:
                    # It is not reaped yet, so its pid is nobody else's.
                    os.kill(self.workers[serial], message["number"])
                self.channel.send("signalled", serial=serial)
            case "stacks":
                self.channel.send("stacks", text=stacks_of_threads())
            case "reopen":
                logs.reopen()

    def fork(self, message: Message) -> bool:
        """Fork a worker; True in it."""
        serial = message["serial"]
        if len(message["descriptors"]) < message["count"]:
            close_all(message["descriptors"])
            self.channel.send("unforked", serial=serial, text=os.strerror(errno.EMFILE))
            return False
        # What was printed would be printed by each worker again.
        flush_streams()
        try:
            pid = fork((*PASSED_ON, signal.SIGCHLD))
        except OSError as error:
            self.channel.send("unforked", serial=serial, text=error.strerror)
        else:
            if pid == 0:
                return True
            self.workers[serial] = pid
            self.channel.send("forked", serial=serial, pid=pid)
        close_all(message["descriptors"])
        return False

    def reap(self) -> None:
        """Report those that have ended."""
        for serial, pid in list(self.workers.items()):
            status = exit_status(pid)
            if status is not None:
                del self.workers[serial]
                self.channel.send("ended", serial=serial, status=status)


def hatched(
    message: Message,
    numbers: "memoryview[int]",
    nursery: int,
    loaded: Loaded,
) -> Hatched:
    """What a worker is by the message that has asked for it. nursery: as of `Seat`."""
    channel, *listeners = message["descriptors"]
    sockets = [adopted(descriptor) for descriptor in listeners]
    for sock in sockets:
        sock.setblocking(False)
    slot = Slot(numbers, message["slot"])
    seat = Seat(message["serial"], slot, Channel(socket.socket(fileno=channel)), nursery)
    return Hatched(seat, sockets, loaded)


def let_go_of_databases() -> None:
    """Close what Django has connected to while it was imported: two processes that talk over one
    connection garble it. Workers connect anew."""
    if "django.db" not in sys.modules:
        return
    from django.conf import settings
    from django.db import connections

    if not settings.configured:
        return
    for connection in connections.all(initialized_only=True):
        connection.close()
        close_pool = getattr(connection, "close_pool", None)
        if close_pool is not None:
            close_pool()


def close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
