"""A worker's link to its supervisor: its serial number, its slot on the board, its channel.

A process that serves without a supervisor has none.
"""

import logging
import os
import selectors
import signal
import threading
from collections.abc import Callable

from bascule.observability.board import Slot
from bascule.sockets.channel import Channel
from bascule.stacks import SUPERVISOR_THREAD, thread_stack
from bascule.worker import forks

logger = logging.getLogger("bascule")

# Signals that are the supervisor's alone: a worker catches them and does nothing. Those that a
# terminal sends to its whole process group, Ctrl-C above all, reach the supervisor as well, which
# sends its workers what they mean.
SUPERVISOR_SIGNALS = (
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


class SupervisorLink:
    """Used by the worker's process alone, from the fork on.

    serial: the worker's number.
    slot: its part of the board.
    channel: messages to and from the supervisor.
    fork_server: a descriptor that becomes readable when the fork server that forked this worker
        ends; None where the supervisor forked it itself.
    describe_stacks: returns what the worker does, for people; "" while nothing better is known
        than the stacks of its threads.
    reopen_logs: opens the files of logs again.
    """

    def __init__(
        self, serial: int, slot: Slot, channel: Channel, fork_server: int | None = None
    ) -> None:
        self.serial = serial
        self.slot = slot
        self.channel = channel
        self.fork_server = fork_server
        self.describe_stacks: Callable[[], str] = stacks_of_threads
        self.reopen_logs: Callable[[], None] = nothing

    def open(self) -> None:
        """Begin to listen to the supervisor.

        Called right after the fork, before anything of the application is imported: an import may
        hang, and the supervisor has to be able to ask where.
        """
        for number in SUPERVISOR_SIGNALS:
            if self.fork_server is None:
                forks.catch(number, forks.nothing)
            else:
                # The fork server has installed the handler; the application may have replaced it.
                forks.adopt_handler(number, forks.nothing)
        forks.hold(self.descriptors)
        threading.Thread(target=self._listen, name=SUPERVISOR_THREAD, daemon=True).start()

    def descriptors(self) -> list[int]:
        """Return the descriptors that processes forked by the application must not have.

        As long as they are open there, the supervisor cannot see that this process has ended.
        """
        channel = [self.channel.fileno()]
        return channel if self.fork_server is None else [*channel, self.fork_server]

    def report_ready(self, lines: list[str]) -> None:
        """Report that the worker serves. lines: the start-up banner."""
        self.channel.send("ready", lines=lines, pid=os.getpid())

    def report_start_hook_called(self) -> None:
        """Report that --on-worker-start has run, so that --on-worker-exit is owed."""
        self.channel.send("start hook called", pid=os.getpid())

    def report_exit_hook_called(self) -> None:
        """Report that --on-worker-exit has run."""
        self.channel.send("exit hook called")

    def report_waiting(self, text: str) -> None:
        """Report what a slow start waits for."""
        self.channel.send("waiting", text=text)

    def report_failure(self, text: str) -> None:
        """Report why the worker will not serve."""
        self.channel.send("failed", text=text)

    def _listen(self) -> None:
        """Answer the supervisor, in a thread: the event loop may be stuck."""
        is_leaving = False
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ, "supervisor")
            if self.fork_server is not None:
                selector.register(self.fork_server, selectors.EVENT_READ, "fork server")
            while selector.get_map():
                for key, _ in selector.select():
                    if key.fileobj is self.channel and self._on_messages():
                        continue
                    selector.unregister(key.fileobj)
                    if is_leaving:
                        logger.warning("the %s has ended as well", key.data)
                        continue
                    is_leaving = True
                    logger.warning("the %s has ended; finishing what is in flight", key.data)
                    os.kill(os.getpid(), signal.SIGTERM)

    def _on_messages(self) -> bool:
        """Handle the supervisor's messages; False when its end of the channel is closed."""
        messages = self.channel.receive()
        for message in messages or ():
            match message["kind"]:
                case "stacks":
                    text = self.describe_stacks() or stacks_of_threads()
                    self.channel.send("stacks", text=text)
                case "reopen":
                    self.reopen_logs()
                case "signal":
                    # Sent here only when the fork server, the parent of this process, has ended.
                    os.kill(os.getpid(), message["number"])
        return messages is not None


def stacks_of_threads() -> str:
    """Return the stack of every other thread, innermost call last."""
    return "".join(
        f"thread {thread.name}\n{thread_stack(thread.ident or 0)}"
        for thread in threading.enumerate()
        if thread is not threading.current_thread()
    )


def nothing() -> None:
    """Stand in for `SupervisorLink.reopen_logs` until there are logs."""
