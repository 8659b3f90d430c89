"""The supervisor: forks workers, looks after them, and never imports the application.

It waits in one place, for signals, for messages of workers and for the time to look again; makes
an event of what has come; and carries out what `decide` says. How a worker's process comes to be
is the business of a `Parent` (`children`, `nursery`).

    SIGTERM, SIGINT     drain all workers, then exit; the same again: at once
    SIGQUIT             stop at once
    SIGHUP              reload: new workers, one after the other, before old ones drain
    SIGTTIN, SIGTTOU    one worker more, one worker fewer
    SIGUSR1             open the files of logs again
    SIGUSR2             upgrade: a new supervisor takes the sockets over (`upgrade`)
"""

import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bascule.observability.board import Board
from bascule.sockets.bind import close_listeners
from bascule.sockets.channel import Message, channel_pair
from bascule.sockets.systemd import Notifier
from bascule.supervisor.children import Child, Forked, Forks, Parent
from bascule.supervisor.control import Control, Counts, is_whole_line
from bascule.supervisor.decide import decide
from bascule.supervisor.exit_calls import ExitCalls
from bascule.supervisor.health import answer, is_whole_head
from bascule.supervisor.nursery import Nurseries
from bascule.supervisor.small_server import Peer, SmallServer
from bascule.supervisor.table import (
    Action,
    BecameReady,
    Began,
    Drain,
    Ended,
    Event,
    Exit,
    Hurry,
    Kill,
    Looked,
    NurseryEnded,
    Phase,
    Policy,
    ReloadWanted,
    Replaced,
    Say,
    ScaleWanted,
    Seen,
    ShowStacks,
    Start,
    StopWanted,
    Table,
    workers,
)
from bascule.supervisor.upgrade import Listeners, Upgrade
from bascule.worker import forks
from bascule.worker.trim import resident

logger = logging.getLogger("bascule")

# How often workers are looked at, in seconds: as often as they give a sign of life.
LOOK = 0.25

# Seconds in which a signal to all processes reaches them.
TOGETHER = 1.0

EVENTS: dict[int, Event] = {
    signal.SIGTERM: StopWanted(),
    signal.SIGINT: StopWanted(),
    signal.SIGQUIT: StopWanted(hurry=True),
    signal.SIGHUP: ReloadWanted(),
    signal.SIGTTIN: ScaleWanted(1),
    signal.SIGTTOU: ScaleWanted(-1),
}
CAUGHT = (*EVENTS, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2)


class Master:
    """The process that does not serve.

    target: how many workers. listeners: what they serve on, and where probes and operators ask;
    `release` closes them. command: what starts this program again. reopen_logs: opens the files of
    its own log again. notifier: to the service manager. taking_over: called when it takes the
    place of another supervisor. preload: the application is imported once, by nurseries.
    directory: where the program is started again. exit_calls: the application wants to be told of
    the end of workers.
    """

    def __init__(
        self,
        target: int,
        policy: Policy,
        listeners: Listeners,
        command: Sequence[str],
        reopen_logs: Callable[[], None],
        notifier: Notifier,
        taking_over: Callable[[], None],
        preload: bool = False,
        directory: str | None = None,
        exit_calls: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy
        self.table = Table(target)
        # What has happened and is not decided on yet.
        self.happened: deque[Event] = deque()
        self.board = Board()
        self.children: dict[int, Child] = {}
        self.selector = selectors.DefaultSelector()
        self.listeners = listeners
        self.parent: Parent = (
            Nurseries(self, CAUGHT, self.selector, listeners.served, self.board.numbers)
            if preload
            else Forks(self, CAUGHT)
        )
        self.exit_calls = ExitCalls(CAUGHT) if exit_calls else None
        self.upgrade = Upgrade(command, listeners, directory)
        self.reopen_logs = reopen_logs
        self.notifier = notifier
        self.taking_over = taking_over
        # What the service manager was told last.
        self.state = ""
        self.clock = clock
        self.control = Control(
            self.happen, lambda: self.table, self.counts, self.ask_stacks, clock
        )
        self.servers: list[SmallServer] = []
        self.code: int | None = None
        self.told = False
        # Workers whose stacks the log is to have.
        self.shown: set[int] = set()
        # Waits that starting workers have told of, since one was ready.
        self.waited_for: set[str] = set()
        # A signal that came by a nursery first, and until when it may come here as well.
        self.expected = 0
        self.expected_until = 0.0

    def run(self) -> int:
        """Supervise until there is nothing left to; the exit code. Raises Forked in what is
        forked."""
        # What is here by now stays, in every worker: collecting garbage must not copy its pages.
        gc.collect()
        gc.freeze()
        with self.caught_signals() as signals:
            try:
                self.selector.register(signals, selectors.EVENT_READ, self.on_signals)
                if not self.upgrade.is_successor:
                    self.open_to_questions()
                self.happen(Began())
                while self.code is None:
                    self.wait()
                self.close_to_questions()
                self.parent.end()
                self.finish_exit_calls()
            except Forked:
                for server in self.servers:
                    server.leave()
                raise
            finally:
                self.selector.close()
                self.upgrade.close()
                self.parent.close()
                for child in self.children.values():
                    child.channel.close()
        return self.code

    def wait(self) -> None:
        """One turn: what has come, and a look at the workers when it is time."""
        due = self.table.looked_at + LOOK
        for key, _ in self.selector.select(max(0.0, due - self.clock())):
            key.data()
        self.notifier.beat(self.clock())
        if self.clock() >= due:
            self.reap()
            self.happen(Looked(tuple(self.seen())))
            for server in self.servers:
                server.tick()
        self.control.look()

    def happen(self, event: Event) -> Table:
        """Decide, and carry it out; the table as it is then.

        What happens while actions are carried out, such as a fork that fails, is decided on when
        all of them have been: those still to come are of the table as it was.
        """
        self.happened.append(event)
        if len(self.happened) > 1:
            return self.table
        while self.happened:
            self.table, actions = decide(self.table, self.happened[0], self.clock(), self.policy)
            for action in actions:
                self.carry_out(action)
            self.happened.popleft()
        self.parent.let_go(self.table.generation)
        self.tell_manager()
        return self.table

    def tell_manager(self) -> None:
        """Tell the service manager what has become of the service."""
        table = self.table
        state = state_of(table) or self.state
        if state == self.state:
            return
        self.state = state
        if state == STOPPING:
            self.notifier.stopping("finishing what is in flight")
        elif state == RELOADING:
            self.notifier.reloading("replacing the workers")
        else:
            self.notifier.ready(f"{table.ready} of {workers(table.target)} ready")

    def carry_out(self, action: Action) -> None:
        match action:
            case Say(level, text):
                logger.log(level, text)
            case Start(serial, generation):
                self.start(serial, generation)
            case Drain(serial):
                if self.table.stopping:
                    # Before the workers: whoever closes them last has taken what waited there.
                    self.release()
                self.signal(serial, signal.SIGTERM)
            case Hurry(serial):
                # Not SIGTERM once more: a service manager may have sent it to all processes.
                self.signal(serial, signal.SIGQUIT)
            case Kill(serial):
                self.signal(serial, signal.SIGKILL)
            case ShowStacks(serial):
                self.shown.add(serial)
                self.ask_stacks(serial)
            case Exit(code):
                self.code = code

    def release(self) -> None:
        """Nobody is to connect any more."""
        close_listeners(self.listeners.served)

    # Questions.

    def open_to_questions(self) -> None:
        for sock in self.listeners.health:
            self.servers.append(
                SmallServer(self.selector, sock, is_whole_head, self.on_probe, self.clock)
            )
        for sock in self.listeners.control:
            self.servers.append(
                SmallServer(self.selector, sock, is_whole_line, self.control.take, self.clock)
            )

    def close_to_questions(self) -> None:
        for server in self.servers:
            server.close()
        self.servers.clear()

    def on_probe(self, question: bytes, peer: Peer) -> None:
        peer.answer(answer(question, self.table))

    # Workers.

    def start(self, serial: int, generation: int) -> None:
        """Have a worker forked."""
        try:
            slot = self.board.take()
            try:
                ours, theirs = channel_pair()
            except OSError:
                self.board.give_back(slot)
                raise
        except OSError as error:
            self.happen(Ended(serial, f"could not be forked: {error.strerror}"))
            return
        child = Child(serial, generation, ours, slot)
        self.children[serial] = child
        self.selector.register(ours, selectors.EVENT_READ, lambda: self.on_message(child))
        try:
            self.parent.start(child, theirs)
        except OSError as error:
            theirs.close()
            self.ended(child, f"could not be forked: {error.strerror}", None)

    def signal(self, serial: int, number: int) -> None:
        child = self.children.get(serial)
        if child is not None:
            self.parent.signal(child, number)

    def on_message(self, child: Child) -> None:
        if child.serial not in self.children:
            # It has ended in the same turn, and what it had said was read then.
            return
        messages = child.channel.receive()
        if messages is None:
            # It ends; its parent says how.
            self.selector.unregister(child.channel)
            self.parent.fell_silent(child)
            return
        for message in messages:
            self.said(child, message)

    def said(self, child: Child, message: Message) -> None:
        """A worker has said this, or somebody for it."""
        match message["kind"]:
            case "ready":
                child.pid = message["pid"]
                self.waited_for.clear()
                if not self.told:
                    self.told = True
                    for line in message["lines"]:
                        logger.info(line)
                self.happen(BecameReady(child.serial, child.pid))
                if self.upgrade.is_successor and self.table.ready >= self.table.target:
                    self.taking_over()
                    self.upgrade.take_over()
                    self.open_to_questions()
            case "begun":
                child.pid = message["pid"]
                child.owes_end = True
            case "told":
                child.owes_end = False
            case "waiting":
                if message["text"] not in self.waited_for:
                    self.waited_for.add(message["text"])
                    logger.info(message["text"])
            case "failed":
                child.complaint = message["text"]
            case "stacks":
                if child.serial in self.shown:
                    self.shown.discard(child.serial)
                    logger.warning("%s:\n%s", child.name, message["text"])
                self.control.stacks_came(child.serial, message["text"])

    def ended(self, child: Child, how: str, code: int | None) -> None:
        """Take leave of a worker that has ended."""
        if child.channel.fileno() in self.selector.get_map():
            self.selector.unregister(child.channel)
        child.channel.close()
        self.shown.discard(child.serial)
        del self.children[child.serial]
        self.board.give_back(child.slot)
        self.happen(Ended(child.serial, how, code))
        if self.exit_calls is not None and child.owes_end:
            self.exit_calls.begin(child.pid)

    def last_words(self, child: Child) -> None:
        """Read what it said last, before its end is told."""
        while messages := child.channel.receive():
            for message in messages:
                self.said(child, message)

    def nursery_ended(self, children: Sequence[Child], how: str) -> None:
        """They leave by themselves."""
        self.happen(NurseryEnded(tuple(child.serial for child in children), how))

    def signalled(self, number: int) -> None:
        """An application has sent this to its parent. Where somebody has sent it to all processes,
        it has come here as well, or will, and means the same only once."""
        event = EVENTS[number]
        if isinstance(event, StopWanted) and not self.table.stopping:
            self.expected = number
            self.expected_until = self.clock() + TOGETHER
            self.happen(event)
        elif isinstance(event, ReloadWanted) and state_of(self.table) == READY:
            self.happen(event)

    def ask_stacks(self, serial: int) -> None:
        child = self.children.get(serial)
        if child is not None:
            self.parent.ask_stacks(child)

    def counts(self, serial: int) -> Counts | None:
        """What a worker has written down of itself; None when it has ended."""
        child = self.children.get(serial)
        if child is None:
            return None
        slot = child.slot
        return Counts(
            child.pid,
            slot.requests,
            slot.connections,
            slot.running,
            resident(child.pid),
            slot.accepting,
        )

    def reap(self) -> None:
        """Some process may have ended."""
        self.parent.reap()
        if self.exit_calls is not None:
            self.exit_calls.reap()

    def finish_exit_calls(self) -> None:
        """Wait until the end of the last workers has been told; not after one more signal."""
        while self.exit_calls is not None and self.exit_calls.running:
            numbers = b""
            for key, _ in self.selector.select(LOOK):
                if key.fileobj is self.signals:
                    numbers = self.signals.recv(4096)
            if any(isinstance(EVENTS.get(number), StopWanted) for number in numbers):
                self.exit_calls.give_up()
            self.exit_calls.reap()

    def seen(self) -> Iterator[Seen]:
        for serial, child in self.children.items():
            slot = child.slot
            rss = resident(child.pid) if self.policy.max_rss else 0
            yield Seen(serial, slot.silent_for(), slot.requests, rss, slot.stuck)

    # Signals.

    @contextmanager
    def caught_signals(self) -> "Iterator[socket.socket]":
        """Have signals arrive on a socket, one octet each, for as long as the block runs."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self.signals = reader
        wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        owner = os.getpid()
        try:
            with forks.restored(CAUGHT):
                for number in CAUGHT:
                    forks.catch(number, forks.nothing)
                forks.hold(self.descriptors)
                yield reader
        finally:
            if os.getpid() == owner:
                signal.set_wakeup_fd(wakeup)
            reader.close()
            writer.close()

    def descriptors(self) -> list[int]:
        """Descriptors that processes forked by a caller of `bascule.serve` must not have."""
        channels = [child.channel for child in self.children.values()]
        return forks.numbers_of([*self.listeners.all, *channels])

    def on_signals(self) -> None:
        for number in self.signals.recv(4096):
            self.on_signal(number)

    def on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self.reap()
        elif number == signal.SIGUSR1:
            self.reopen_logs()
            self.parent.reopen_logs()
            for child in self.children.values():
                child.channel.send("reopen")
        elif number == signal.SIGUSR2:
            self.begin_upgrade()
        elif number == self.expected and self.clock() < self.expected_until:
            self.expected = 0
        elif number in EVENTS:
            self.happen(EVENTS[number])

    def begin_upgrade(self) -> None:
        if self.table.stopping:
            return
        pipe = self.upgrade.begin()
        if pipe is not None:
            self.selector.register(pipe, selectors.EVENT_READ, lambda: self.on_upgrade(pipe))

    def on_upgrade(self, pipe: int) -> None:
        self.selector.unregister(pipe)
        if self.upgrade.finish():
            assert self.upgrade.process is not None
            self.notifier.ready("upgraded", self.upgrade.process.pid)
            # The new one speaks, and answers, from now on.
            self.notifier = Notifier()
            self.close_to_questions()
            self.happen(Replaced())


READY, RELOADING, STOPPING = "ready", "reloading", "stopping"


def state_of(table: Table) -> str:
    """What a service manager calls it; "" for what it has no word for, such as a worker that is
    missing."""
    if table.stopping:
        return STOPPING
    generations = [row.generation for row in table.rows if row.phase is Phase.READY]
    if table.settled and min(generations, default=table.generation) < table.generation:
        return RELOADING
    return READY if len(generations) >= table.target else ""
