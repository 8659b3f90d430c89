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
    """An awaitable that has nothing to wait for and returns None. It has no state, so all calls
    share one."""

    __slots__ = ()

    def __await__(self) -> "ReadyAwaitable":
        return self

    def __iter__(self) -> "ReadyAwaitable":
        return self

    def __next__(self) -> None:
        raise StopIteration

    def send(self, value: object) -> None:
        """Take one step of the coroutine protocol."""
        raise StopIteration

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> None:
        """Raise the exception, as a coroutine that has not started would."""
        raise kind if value is None else value

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


READY = ReadyAwaitable()


class YieldAwaitable:
    """An awaitable that lets the other tasks of the loop run once, and returns None."""

    __slots__ = ("has_yielded",)

    def __init__(self) -> None:
        self.has_yielded = False

    def __await__(self) -> "YieldAwaitable":
        return self

    def __iter__(self) -> "YieldAwaitable":
        return self

    def __next__(self) -> None:
        # A task that gets None instead of a future continues in the next turn of the loop.
        if self.has_yielded:
            raise StopIteration
        self.has_yielded = True

    def send(self, value: object) -> None:
        """Take one step of the coroutine protocol."""
        self.__next__()

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> None:
        """Raise the exception."""
        raise kind if value is None else value

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class Wakeup:
    """A future for one task: the part of a Future that tasks use, and a way to resume in place.

    asyncio's tasks take any object with `_asyncio_future_blocking` for a future. `wake` resumes
    the task in the next turn of the loop, as a Future would. `wake_now` resumes it in place, which
    saves the turn and two objects; it is for callbacks of a transport, where no task is running.
    """

    __slots__ = ("_asyncio_future_blocking", "callback", "context", "loop", "was_cancelled")

    def __init__(self, loop: AbstractEventLoop) -> None:
        # As Future.__await__ does, to show the task that it is meant to wait on this.
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
        """Resume the task in place, unless another task is running."""
        callback, context = self.callback, self.context
        if callback is None or context is None or current_task(self.loop) is not None:
            self.wake()
        else:
            self.callback = None
            context.run(callback, self)

    # For the task.

    def get_loop(self) -> AbstractEventLoop:
        """Return the loop of the task."""
        return self.loop

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: contextvars.Context | None = None
    ) -> None:
        """Keep the callback that resumes the task."""
        self.callback = callback
        self.context = context

    def remove_done_callback(self, callback: object) -> int:
        """Forget the callback: the task does not wait any more."""
        self.callback = None
        return 1

    def done(self) -> bool:
        """Return whether the task has been resumed."""
        return self.callback is None

    def cancel(self, msg: object = None) -> bool:
        """Resume the task with CancelledError; False when it was resumed before."""
        if self.callback is None:
            return False
        self.was_cancelled = True
        self.wake()
        return True

    def result(self) -> None:
        """Return None, or raise CancelledError when the task was cancelled."""
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
        """Return the result, or None while there is none."""
        raise NotImplementedError

    def __await__(self) -> "CallAwaitable":
        return self

    def __iter__(self) -> "CallAwaitable":
        return self

    def __next__(self) -> object:
        return self.advance()

    def send(self, value: object) -> object:
        """Take one step of the coroutine protocol."""
        return self.advance()

    def advance(self) -> object:
        """Take one step of the iterator protocol, which ends with StopIteration."""
        outcome = self.step()
        if self.finished:
            raise StopIteration(outcome)
        return outcome

    def step(self) -> object:
        """Return the result and set `finished`, or return the wake-up that the task waits on."""
        if self.finished:
            raise RuntimeError("this awaitable was awaited before; call it again instead")
        result = self.attempt()
        if result is not None:
            self.finished = True
            return result if result is not READY else None
        wakeup = self.wakeup = self.wait()
        return wakeup

    def wait(self) -> Wakeup:
        """Return the wake-up that the task waits on."""
        return self.call.wait()

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> None:
        """Raise the exception. Cancellation arrives here; a message that was not received stays
        with the call."""
        self.close()
        raise kind if value is None else value

    def close(self) -> None:
        """Stop waiting."""
        self.finished = True
        waiters = self.call.waiters
        if self.wakeup in waiters:
            waiters.remove(self.wakeup)


class ReceiveAwaitable(CallAwaitable):
    """The awaitable of `receive`. The message is taken when the awaitable is awaited, so
    cancelling it loses no message."""

    __slots__ = ()

    def attempt(self) -> object:
        return self.call.next_message()


class DrainAwaitable(CallAwaitable):
    """The awaitable of `send` while the client reads slower than the application writes."""

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
