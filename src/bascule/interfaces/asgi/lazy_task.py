"""The task of a call in its first step, initialized when something asks for it.

Most calls end in their first step, and nothing has used their task by then. `Task.__init__`, with
the registration of the task and its request to the loop, costs a tenth of a short request. So a
`LazyTask` is created without it, and is the current task during the first step. At the first use
of any attribute it becomes a `RequestTask`, an ordinary task. The slots of both classes are the
same, as the assignment of `__class__` requires.

The rest is in first_step.py. This module is never compiled.
"""

from asyncio import AbstractEventLoop, Task
from collections.abc import Awaitable, Generator
from typing import Any, Protocol

# A fixed name costs less than the numbered ones that asyncio makes.
TASK_NAME = "bascule request"


class Runner(Protocol):
    """The part of `StepRunner` that a lazy task needs."""

    loop: AbstractEventLoop
    coroutine: Any

    def initialize(self) -> bool:
        """Make the lazy task an ordinary one; false where this thread may not do so."""


class RequestTask(Task[None]):
    """An ordinary task, for which something asked in the first step of its call.

    runner: the runner of a task that is lazy still.
    """

    __slots__ = ("runner",)

    runner: Runner | None


class LazyTask(RequestTask):
    """A task that becomes a RequestTask before any of its attributes is used.

    Its identity, its hash and its weak references need no initialization. Other threads may call
    `asyncio.all_tasks`, too; there the answers are those of `TaskOutline`.
    """

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        runner: Runner = runner_of(self)
        if not runner.initialize() and name in OUTLINE:
            return getattr(TaskOutline(runner), name)
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        runner_of(self).initialize()
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        runner_of(self).initialize()
        object.__delattr__(self, name)

    def __repr__(self) -> str:
        runner: Runner = runner_of(self)
        return Task.__repr__(self) if runner.initialize() else f"<Task name={TASK_NAME!r}>"

    def __await__(self) -> Generator[Any, None, None]:
        runner_of(self).initialize()
        return Task.__await__(self)

    __iter__ = __await__


# The descriptor of the slot: `LazyTask.__getattribute__` is not called.
runner_of: Any = RequestTask.__dict__["runner"].__get__


class TaskOutline:
    """The answers of a lazy task to another thread, which must not initialize it, and to its own
    thread where the loop is not running."""

    __slots__ = ("_coro", "loop")

    def __init__(self, runner: Runner) -> None:
        self.loop = runner.loop
        self._coro = runner.coroutine

    def get_loop(self) -> AbstractEventLoop:
        """Return the loop of the task."""
        return self.loop

    def get_coro(self) -> Any:
        """Return the coroutine of the call; None between two calls."""
        return self._coro

    def get_name(self) -> str:
        """Return the name of the task."""
        return TASK_NAME

    def done(self) -> bool:
        """Return whether no call is in its first step: the task is none of a call then."""
        return self._coro is None

    def cancelled(self) -> bool:
        """Return false: a cancelled task is initialized."""
        return False


OUTLINE = frozenset(name for name in vars(TaskOutline) if name[:2] != "__")


async def awaited(awaitable: Awaitable[object]) -> object:
    """Await what an application has returned that is no coroutine."""
    return await awaitable
