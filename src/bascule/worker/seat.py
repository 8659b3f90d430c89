"""A worker's place under a supervisor: its number, its slot on the board, its channel.

Who serves without a supervisor has none.
"""

import logging
import os
import selectors
import signal
import threading
from collections.abc import Callable

from bascule.observability.board import Slot
from bascule.sockets.channel import Channel
from bascule.stacks import thread_stack
from bascule.worker import forks

logger = logging.getLogger("bascule")

# What a supervisor's signals mean is the supervisor's business. Those that a terminal sends to
# everybody in it, Ctrl-C above all, are passed on by the supervisor as what they mean.
UNHEARD = (
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


class Seat:
    """For the worker's process alone, from the fork on.

    nursery: a descriptor that is readable when the nursery that has forked the worker has gone;
    None for one that the supervisor has forked itself.
    """

    def __init__(
        self, serial: int, slot: Slot, channel: Channel, nursery: int | None = None
    ) -> None:
        self.serial = serial
        self.slot = slot
        self.channel = channel
        self.nursery = nursery
        # Whoever knows more than the threads' stacks puts it here; "" while it knows nothing.
        self.describe: Callable[[], str] = stacks_of_threads
        self.reopen_logs: Callable[[], None] = nothing

    def take(self) -> None:
        """Begin to listen to the supervisor; to be called right after the fork, before anything
        of the application is imported, which may hang as well."""
        for number in UNHEARD:
            if self.nursery is None:
                forks.catch(number, forks.nothing)
            else:
                # As the nursery has left it: the application may have put something there.
                forks.still_caught(number, forks.nothing)
        forks.hold(self.descriptors)
        threading.Thread(target=self._listen, name="bascule supervisor", daemon=True).start()

    def descriptors(self) -> list[int]:
        """Descriptors that processes forked by the application must not have: while they were open
        there, the supervisor would not see that this one has ended."""
        line = [self.channel.fileno()]
        return line if self.nursery is None else [*line, self.nursery]

    def say_ready(self, lines: list[str]) -> None:
        """It serves. lines: what it serves, for people."""
        self.channel.send("ready", lines=lines, pid=os.getpid())

    def say_begun(self) -> None:
        """Its start was told to the application, so its end is to be, by somebody."""
        self.channel.send("begun", pid=os.getpid())

    def say_told(self) -> None:
        """Its end was told."""
        self.channel.send("told")

    def say_waiting(self, text: str) -> None:
        """What its start waits for, which takes long."""
        self.channel.send("waiting", text=text)

    def say_failed(self, text: str) -> None:
        """It will not serve, and why."""
        self.channel.send("failed", text=text)

    def _listen(self) -> None:
        """What the supervisor asks is answered in a thread of its own: the loop may be stuck."""
        is_leaving = False
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ, "supervisor")
            if self.nursery is not None:
                selector.register(self.nursery, selectors.EVENT_READ, "nursery")
            while selector.get_map():
                for key, _ in selector.select():
                    if key.fileobj is self.channel and self._take():
                        continue
                    selector.unregister(key.fileobj)
                    if is_leaving:
                        logger.warning("the %s has gone as well", key.data)
                        continue
                    is_leaving = True
                    logger.warning("the %s has gone; finishing what is in flight", key.data)
                    os.kill(os.getpid(), signal.SIGTERM)

    def _take(self) -> bool:
        """What the supervisor says; whether it is there."""
        messages = self.channel.receive()
        for message in messages or ():
            match message["kind"]:
                case "stacks":
                    self.channel.send("stacks", text=self.describe() or stacks_of_threads())
                case "reopen":
                    self.reopen_logs()
                case "signal":
                    # Nobody else could send it: the nursery, whose child this is, has gone.
                    os.kill(os.getpid(), message["number"])
        return messages is not None


def stacks_of_threads() -> str:
    """What every thread does, innermost call last."""
    return "".join(
        f"thread {thread.name}\n{thread_stack(thread.ident or 0)}"
        for thread in threading.enumerate()
        if thread is not threading.current_thread()
    )


def nothing() -> None:
    """Stands in for `Seat.reopen_logs` until there are logs."""
