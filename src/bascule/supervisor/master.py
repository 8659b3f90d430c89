"""The supervisor: forks workers, looks after them, and never imports the application.

It waits in one place, for signals, for messages of workers and for the next check of the workers;
makes an event of what has come; and carries out what `decide` returns. How the process of a worker
is made is the business of a `Spawner` (`spawner`, `fork_server`).

    SIGTERM, SIGINT     drain all workers, then exit; the same again: stop at once
    SIGQUIT             stop at once
    SIGHUP              reload: each worker is replaced once its successor is ready
    SIGTTIN, SIGTTOU    one worker more, one worker fewer
    SIGUSR1             open the files of logs again
    SIGUSR2             upgrade: a new supervisor takes the sockets over (`upgrade`)
"""

import gc
import logging
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence

from bascule.sockets.bind import close_listeners
from bascule.sockets.channel import ChannelMessage
from bascule.sockets.systemd import Notifier
from bascule.supervisor.control import Control
from bascule.supervisor.decide import decide
from bascule.supervisor.exit_calls import ExitCalls
from bascule.supervisor.fork_server import ForkServerSpawner
from bascule.supervisor.processes import Forked
from bascule.supervisor.questions import Questions
from bascule.supervisor.service import READY, ServiceReporter, state_of
from bascule.supervisor.signals import signal_socket
from bascule.supervisor.spawner import DirectSpawner, Spawner, WorkerProcess
from bascule.supervisor.table import (
    DrainWorker,
    Exit,
    ForkServerEnded,
    KillWorker,
    Policy,
    ReloadRequested,
    ScaleRequested,
    ShowStacks,
    StartWorker,
    StopRequested,
    StopWorker,
    SupervisorAction,
    SupervisorEvent,
    SupervisorReplaced,
    SupervisorStarted,
    WorkerEnded,
    WorkerReady,
    WorkersChecked,
    WorkerTable,
    WriteLog,
)
from bascule.supervisor.upgrade import Listeners, Upgrade
from bascule.supervisor.workers import Workers
from bascule.worker import forks

logger = logging.getLogger("bascule")

# How often workers are checked, in seconds: as often as they give a sign of life.
CHECK_EVERY = 0.25

# A signal that is sent to all processes reaches them within this many seconds.
TOGETHER = 1.0

EVENTS: dict[int, SupervisorEvent] = {
    signal.SIGTERM: StopRequested(),
    signal.SIGINT: StopRequested(),
    signal.SIGQUIT: StopRequested(at_once=True),
    signal.SIGHUP: ReloadRequested(),
    signal.SIGTTIN: ScaleRequested(1),
    signal.SIGTTOU: ScaleRequested(-1),
}
CAUGHT = (*EVENTS, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2)


class Master:
    """The supervisor's process.

    target: how many workers are to serve.
    listeners: what they serve on, and where probes and operators ask; `stop_listening` closes
        them.
    command: starts this program again, in `directory`.
    reopen_logs: opens the files of its own log again.
    notifier: tells the service manager.
    taking_over: called when this supervisor takes the place of another one.
    preload: the application is imported once, by fork servers.
    exit_calls: --on-worker-exit is set.
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
        self.table = WorkerTable(target)
        # Events that are not decided on yet.
        self.events: deque[SupervisorEvent] = deque()
        self.selector = selectors.DefaultSelector()
        self.workers = Workers(self.selector, self.on_readable)
        self.listeners = listeners
        self.spawner: Spawner = (
            ForkServerSpawner(
                self, CAUGHT, self.selector, listeners.served, self.workers.board.numbers
            )
            if preload
            else DirectSpawner(self, CAUGHT)
        )
        self.exit_calls = ExitCalls(CAUGHT) if exit_calls else None
        self.upgrade = Upgrade(command, listeners, directory)
        self.reopen_logs = reopen_logs
        self.service = ServiceReporter(notifier)
        self.taking_over = taking_over
        self.clock = clock
        self.control = Control(
            self.happen, lambda: self.table, self.workers.counts, self.ask_stacks, clock
        )
        self.questions = Questions(
            self.selector, listeners, self.control, lambda: self.table, clock
        )
        self.code: int | None = None
        self.banner_logged = False
        # Workers whose stacks are to be logged.
        self.shown: set[int] = set()
        # Reasons that starting workers have reported to wait for, since a worker was ready.
        self.waited_for: set[str] = set()
        # A signal that a fork server has passed on, and until when it may arrive here as well.
        self.expected = 0
        self.expected_until = 0.0

    def run(self) -> int:
        """Supervise until the last worker has ended; returns the exit code.

        Raises Forked in a process that was forked.
        """
        # Objects that exist by now stay, in every worker: garbage collection must not copy their
        # pages.
        gc.collect()
        gc.freeze()
        with signal_socket(CAUGHT, self.descriptors) as self.signals:
            try:
                self.selector.register(self.signals, selectors.EVENT_READ, self.on_signals)
                if not self.upgrade.is_successor:
                    self.questions.open()
                self.happen(SupervisorStarted())
                while self.code is None:
                    self.wait()
                self.questions.close()
                self.spawner.end()
                self.finish_exit_calls()
            except Forked:
                self.questions.leave()
                raise
            finally:
                self.selector.close()
                self.upgrade.close()
                self.spawner.close()
                self.workers.close()
        return self.code

    def descriptors(self) -> list[int]:
        """Return the descriptors that processes forked by a caller of `bascule.serve` must not
        have."""
        return forks.numbers_of([*self.listeners.all, *self.workers.channels])

    def wait(self) -> None:
        """Wait once, and handle what has come; check the workers when it is time to."""
        due = self.table.checked_at + CHECK_EVERY
        for key, _ in self.selector.select(max(0.0, due - self.clock())):
            key.data()
        self.service.beat(self.clock())
        if self.clock() >= due:
            self.reap()
            statuses = self.workers.statuses(with_rss=self.policy.max_rss > 0)
            self.happen(WorkersChecked(tuple(statuses)))
            self.questions.tick()
        self.control.answer_waiting()

    # Decisions.

    def happen(self, event: SupervisorEvent) -> WorkerTable:
        """Decide about an event, and carry that out; returns the table as it is then.

        Events that come while actions are carried out, such as a fork that fails, are decided on
        once all actions have been: those still to come are of the table as it was.
        """
        self.events.append(event)
        if len(self.events) > 1:
            return self.table
        while self.events:
            self.table, actions = decide(self.table, self.events[0], self.clock(), self.policy)
            for action in actions:
                self.carry_out(action)
            self.events.popleft()
        self.spawner.keep_only(self.table.generation)
        self.service.report(self.table)
        return self.table

    def carry_out(self, action: SupervisorAction) -> None:
        match action:
            case WriteLog(level, text):
                logger.log(level, text)
            case StartWorker(serial, generation):
                self.start(serial, generation)
            case DrainWorker(serial):
                if self.table.stopping:
                    # Before the workers close them: the last worker to do so has accepted what
                    # waited there.
                    self.stop_listening()
                self.signal(serial, signal.SIGTERM)
            case StopWorker(serial):
                # Not SIGTERM once more: a service manager may have sent it to all processes.
                self.signal(serial, signal.SIGQUIT)
            case KillWorker(serial):
                self.signal(serial, signal.SIGKILL)
            case ShowStacks(serial):
                self.shown.add(serial)
                self.ask_stacks(serial)
            case Exit(code):
                self.code = code

    def stop_listening(self) -> None:
        """Close the listening sockets, so that connections are refused once workers close them."""
        close_listeners(self.listeners.served)

    def start(self, serial: int, generation: int) -> None:
        """Have a worker forked."""
        try:
            worker, theirs = self.workers.add(serial, generation)
        except OSError as error:
            self.happen(WorkerEnded(serial, f"could not be forked: {error.strerror}"))
            return
        try:
            self.spawner.start(worker, theirs)
        except OSError as error:
            theirs.close()
            self.on_ended(worker, f"could not be forked: {error.strerror}", None)

    def signal(self, serial: int, number: int) -> None:
        worker = self.workers.get(serial)
        if worker is not None:
            self.spawner.signal(worker, number)

    def ask_stacks(self, serial: int) -> None:
        worker = self.workers.get(serial)
        if worker is not None:
            self.spawner.ask_stacks(worker)

    # Reports of workers, and of the spawner about them (`WorkerObserver`).

    def on_readable(self, worker: WorkerProcess) -> None:
        if not self.workers.has(worker):
            # It has ended in the same turn, and its messages were read then.
            return
        messages = worker.channel.receive()
        if messages is None:
            # It is about to end; the spawner reports how.
            self.selector.unregister(worker.channel)
            self.spawner.on_channel_closed(worker)
            return
        for message in messages:
            self.on_message(worker, message)

    def on_message(self, worker: WorkerProcess, message: ChannelMessage) -> None:
        match message["kind"]:
            case "ready":
                worker.pid = message["pid"]
                self.on_ready(worker, message["lines"])
            case "start hook called":
                worker.pid = message["pid"]
                worker.owes_exit_hook = True
            case "exit hook called":
                worker.owes_exit_hook = False
            case "waiting":
                if message["text"] not in self.waited_for:
                    self.waited_for.add(message["text"])
                    logger.info(message["text"])
            case "failed":
                worker.failure = message["text"]
            case "stacks":
                if worker.serial in self.shown:
                    self.shown.discard(worker.serial)
                    logger.warning("%s:\n%s", worker.name, message["text"])
                self.control.on_stacks(worker.serial, message["text"])

    def on_ready(self, worker: WorkerProcess, banner: list[str]) -> None:
        """A worker serves."""
        self.waited_for.clear()
        if not self.banner_logged:
            self.banner_logged = True
            for line in banner:
                logger.info(line)
        self.happen(WorkerReady(worker.serial, worker.pid))
        if self.upgrade.is_successor and self.table.ready >= self.table.target:
            self.taking_over()
            self.upgrade.take_over()
            self.questions.open()

    def read_last_messages(self, worker: WorkerProcess) -> None:
        while messages := worker.channel.receive():
            for message in messages:
                self.on_message(worker, message)

    def on_ended(self, worker: WorkerProcess, how: str, code: int | None) -> None:
        self.shown.discard(worker.serial)
        self.workers.remove(worker)
        self.happen(WorkerEnded(worker.serial, how, code))
        if self.exit_calls is not None and worker.owes_exit_hook:
            self.exit_calls.begin(worker.pid)

    def on_fork_server_ended(self, workers: Sequence[WorkerProcess], how: str) -> None:
        self.happen(ForkServerEnded(tuple(worker.serial for worker in workers), how))

    def on_signal_passed_on(self, number: int) -> None:
        """An application has sent this signal to its parent.

        Where a service manager has sent it to all processes, it has arrived here as well, or will,
        and counts only once.
        """
        event = EVENTS[number]
        if isinstance(event, StopRequested) and not self.table.stopping:
            self.expected = number
            self.expected_until = self.clock() + TOGETHER
            self.happen(event)
        elif isinstance(event, ReloadRequested) and state_of(self.table) == READY:
            self.happen(event)

    # Processes that have ended.

    def reap(self) -> None:
        self.spawner.reap()
        if self.exit_calls is not None:
            self.exit_calls.reap()

    def finish_exit_calls(self) -> None:
        """Wait for the last calls of --on-worker-exit, until one more signal says stop."""
        while self.exit_calls is not None and self.exit_calls.running:
            numbers = b""
            for key, _ in self.selector.select(CHECK_EVERY):
                if key.fileobj is self.signals:
                    numbers = self.signals.recv(4096)
            if any(isinstance(EVENTS.get(number), StopRequested) for number in numbers):
                self.exit_calls.give_up()
            self.exit_calls.reap()

    # Signals.

    def on_signals(self) -> None:
        for number in self.signals.recv(4096):
            self.on_signal(number)

    def on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self.reap()
        elif number == signal.SIGUSR1:
            self.reopen_logs()
            self.spawner.reopen_logs()
            self.workers.send_all("reopen")
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
            self.service.report_upgraded(self.upgrade.process.pid)
            self.questions.close()
            self.happen(SupervisorReplaced())
