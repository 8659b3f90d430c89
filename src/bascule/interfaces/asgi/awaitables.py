"""The awaitables that an ASGI call returns from `receive` and `send`.

    ReceiveAwaitable  waits for a message
    DrainAwaitable    waits while the client reads slower than the application writes
    ReadyAwaitable    has nothing to wait for
    YieldAwaitable    lets the other tasks of the loop run once
    Wakeup            the future that the task of the first two waits on
    AwaitedCall       the call, as far as they need it

`receive` and `send` are not coroutine functions. They return objects that implement the whole
coroutine protocol, because applications await them, pass them to create_task, and wrap them in
wait_for. No object is created in the common case, a `send` to a client that keeps up.
"""

import contextvars
import sys
from asyncio import AbstractEventLoop, CancelledError, current_task, isfuture
from collections.abc import Callable
from typing import Any

from bascule.interfaces.asgi import am_send
from bascule.interfaces.responding import RespondingExchange
from bascule.types import Message


class AwaitedCall(RespondingExchange):
    """A call that tasks wait for.

    waiters: the wake-ups of the tasks that wait, in the order in which they are resumed.
    """

    __slots__ = ("waiters",)

    waiters: "list[Wakeup]"

    def next_message(self) -> Message | None:
        """Return the message that `receive` returns now, or None while there is none."""
        raise NotImplementedError

    def is_congested(self) -> bool:
        """Return whether `send` has to wait."""
        raise NotImplementedError

    def wait(self) -> "Wakeup":
        """Return a wake-up that resumes a task when anything happens to this call."""
        raise NotImplementedError

    def wait_first(self) -> "Wakeup":
        """Return a wake-up that resumes its task before all others."""
        raise NotImplementedError


class ReadyAwaitable:
    """An awaitable that has nothing to wait for and returns None. It has no state, so one serves
    everybody."""

    __slots__ = ()

    def __await__(self) -> "ReadyAwaitable":
        return self

    def __iter__(self) -> "ReadyAwaitable":
        return self

    def __next__(self) -> None:
        raise StopIteration

    def send(self, value: object) -> None:
        """One step of the coroutine protocol."""
        raise StopIteration

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> None:
        """Raise what is thrown in, as a coroutine that has not started would."""
        raise kind if value is None else value

    def close(self) -> None:
        """Nothing to give back."""


READY = ReadyAwaitable()


class YieldAwaitable:
    """An awaitable that lets the other tasks of the loop have their turn, and returns None."""

    __slots__ = ("has_yielded",)

    def __init__(self) -> None:
        self.has_yielded = False

    def __await__(self) -> "YieldAwaitable":
        return self

    def __iter__(self) -> "YieldAwaitable":
        return self

    def __next__(self) -> None:
        # A task that gets None instead of something to wait on goes on in the next turn.
        if self.has_yielded:
            raise StopIteration
        self.has_yielded = True

    def send(self, value: object) -> None:
        """One step of the coroutine protocol."""
        self.__next__()

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> None:
        """Raise what is thrown in."""
        raise kind if value is None else value

    def close(self) -> None:
        """Nothing to give back."""


class Wakeup:
    """What a task waits on: the part of a Future that tasks use, and a way to go on at once.

    asyncio's tasks take any object with `_asyncio_future_blocking` for a future. `wake` resumes
    the task in the next turn of the loop, as a Future would. `wake_now` does in place, which saves
    the turn and two objects; it is for callbacks of a transport, where no task is running.
    """

    __slots__ = ("_asyncio_future_blocking", "callback", "context", "loop", "was_cancelled")

    def __init__(self, loop: AbstractEventLoop) -> None:
        # What Future.__await__ does: it tells the task that this was meant for it.
        self._asyncio_future_blocking = True
        self.loop = loop
        self.callback: Callable[[Any], object] | None = None
        self.context: contextvars.Context | None = None
        self.was_cancelled = False

    def wake(self) -> None:
        """Resume the task in the next turn of the loop."""
        callback = self.callback
        if callback is not None:
            self.callback = None
            self.loop.call_soon(callback, self, context=self.context)

    def wake_now(self) -> None:
        """Resume the task here, unless this is inside another one."""
        callback, context = self.callback, self.context
        if callback is None or context is None or current_task(self.loop) is not None:
            self.wake()
        else:
            self.callback = None
            context.run(callback, self)

    # For the task.

    def get_loop(self) -> AbstractEventLoop:
        """The loop of the task."""
        return self.loop

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: contextvars.Context | None = None
    ) -> None:
        """Keep how the task is resumed."""
        self.callback = callback
        self.context = context

    def remove_done_callback(self, callback: object) -> int:
        """The task does not wait any more."""
        self.callback = None
        return 1

    def done(self) -> bool:
        """The task has been resumed."""
        return self.callback is None

    def cancel(self, msg: object = None) -> bool:
        """The task is cancelled; False when it has been resumed before."""
        if self.callback is None:
            return False
        self.was_cancelled = True
        self.wake()
        return True

    def result(self) -> None:
        """Nothing, but an error when it was cancelled."""
        if self.was_cancelled:
            raise CancelledError


def require_future(waiter: object) -> None:
    """Check that asyncio's tasks wait for such an object.

    Raises ImportError where they do not, which would fail every `await receive()`.
    """
    if not isfuture(waiter):
        raise ImportError(
            f"asyncio of Python {sys.version.split()[0]} does not accept "
            f"{type(waiter).__name__} as a future: use another version of Python"
        )


require_future(Wakeup(None))  # type: ignore[arg-type]  # No task waits for it.


class CallAwaitable:
    """A hand-written coroutine that waits for its call until `attempt` has a result."""

    __slots__ = ("call", "finished", "wakeup")

    def __init__(self, call: "AwaitedCall") -> None:
        self.call = call
        self.finished = False
        self.wakeup: Wakeup | None = None

    def attempt(self) -> object:
        """The result, or None while there is none."""
        raise NotImplementedError

    def __await__(self) -> "CallAwaitable":
        return self

    def __iter__(self) -> "CallAwaitable":
        return self

    def __next__(self) -> object:
        return self.advance()

    def send(self, value: object) -> object:
        """One step of the coroutine protocol."""
        return self.advance()

    def advance(self) -> object:
        """One step of the iterator protocol, which ends with StopIteration."""
        outcome = self.step()
        if self.finished:
            raise StopIteration(outcome)
        return outcome

    def step(self) -> object:
        """The result, when `finished` is set by that, else what the task is to wait on."""
        if self.finished:
            raise RuntimeError("this awaitable was awaited before; call it again instead")
        result = self.attempt()
        if result is not None:
            self.finished = True
            return result if result is not READY else None
        wakeup = self.wakeup = self.wait()
        return wakeup

    def wait(self) -> Wakeup:
        """What the task waits on."""
        return self.call.wait()

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> None:
        """Cancellation arrives here; whatever was not received stays with the call."""
        self.close()
        raise kind if value is None else value

    def close(self) -> None:
        """Wait no longer."""
        self.finished = True
        waiters = self.call.waiters
        if self.wakeup in waiters:
            waiters.remove(self.wakeup)


class ReceiveAwaitable(CallAwaitable):
    """What `await receive()` waits on. The message is taken when it is awaited, so a cancelled one
    loses nothing."""

    __slots__ = ()

    def attempt(self) -> object:
        return self.call.next_message()


class DrainAwaitable(CallAwaitable):
    """What `await send()` waits on while the client reads slower than the application writes."""

    __slots__ = ()

    def attempt(self) -> object:
        return None if self.call.is_congested() else READY

    def wait(self) -> Wakeup:
        # This task is resumed before those that wait in `receive`, because they cancel it when the
        # client disconnects. If it is back in the application's generator by then, the generator's
        # `finally` runs at once; otherwise it runs when the garbage is collected.
        return self.call.wait_first()


# The compiled classes return their result without raising StopIteration.
am_send.install(ReceiveAwaitable)
am_send.install(DrainAwaitable)
