"""The first step of a call: it runs at once, and mostly it is the last.

    FirstStepCall   the call, as far as it is needed here
    CallCoroutine   the coroutine of a call's task
    StepRunner      runs the first steps of an application's calls

A first step is allowed only where no other task is running, as in callbacks of a transport; it
saves a turn of the loop. While it runs, a `LazyTask` is the current task, always the same one as
long as nothing asks anything of it. There is an ordinary task in three cases:

    something asks the current task    the lazy task becomes an ordinary one, then and there
    the application waits              an ordinary task, which is made the lazy one if something
                                       still has that, is given the future that it waits for
    something still has the task       it becomes an ordinary one, which has returned

An ordinary task takes its own first step as ever. The coroutine that it steps then is a
`CallCoroutine`, which hands over the outcome of the step that the application has taken already.
So everything that a task does with an outcome is done by asyncio.

`can_be_lazy` finds out at import whether asyncio works as this needs. If not, each call has an
ordinary task from the beginning.
"""

import sys
from asyncio import (
    AbstractEventLoop,
    CancelledError,
    Future,
    Task,
    all_tasks,
    current_task,
)
from asyncio.events import _get_running_loop, _set_running_loop
from asyncio.tasks import _enter_task, _leave_task, _register_task
from collections.abc import Callable
from contextvars import Context
from types import CoroutineType
from typing import Any
from weakref import getweakrefcount

from bascule.interfaces.asgi import stepping
from bascule.interfaces.asgi.awaitables import READY, AwaitedCall, YieldAwaitable
from bascule.interfaces.asgi.lazy_task import TASK_NAME, LazyTask, RequestTask, awaited

# The outcome of a coroutine that has returned.
FINISHED = object()

# Python 3.11's has no `eager_start`, which is why it is not called through its own type here.
EagerTask: Any = Task


class FirstStepCall(AwaitedCall):
    """A call whose coroutine is a `CallCoroutine`."""

    __slots__ = ()

    def call_application(self) -> Any:
        """Call the application, and return what it returns."""
        raise NotImplementedError

    def conclude(self, error: BaseException | None) -> None:
        """Finish the response of an application that has returned, or that has raised an error."""
        raise NotImplementedError


class CallCoroutine:
    """The coroutine of a call's task, in the place of the application's.

    It calls the application in its first step, and concludes the call with the last. It looks like
    the application's coroutine, for everything that examines stacks.

    call: None once it is concluded.
    coroutine: the application's; None before the first step.
    holds: `outcome` and `error` are those of the first step, which the task has not taken yet.
    """

    __slots__ = ("call", "coroutine", "error", "holds", "outcome")

    def __init__(self, call: FirstStepCall | None) -> None:
        self.call = call
        self.coroutine: Any = None
        self.holds = False
        self.outcome: Any = None
        self.error: BaseException | None = None

    def step(self) -> object:
        """Take a step of the application; return what it waits for, or FINISHED."""
        return self.hand_over() if self.holds else self.resume(None)

    def resume(self, thrown: BaseException | None) -> object:
        """Take a step of the application, which begins with an exception if there is one."""
        call = self.call
        if call is None:
            raise RuntimeError("cannot reuse already awaited coroutine")
        try:
            if thrown is not None:
                outcome = self.throw_in(thrown)
            else:
                coroutine = self.coroutine
                if coroutine is None:
                    coroutine = call.call_application()
                    if type(coroutine) is not CoroutineType:
                        coroutine = awaited(coroutine)
                    self.coroutine = coroutine
                outcome = stepping.advance(coroutine, FINISHED)
        except CancelledError as error:
            self.call = None
            call.conclude(error)
            raise
        except BaseException as error:
            # SystemExit as well: one request must not end the process for all others.
            self.call = None
            call.conclude(error)
            return FINISHED
        if outcome is FINISHED:
            self.call = None
            call.conclude(None)
        return outcome

    def throw_in(self, thrown: BaseException) -> object:
        """Raise the exception in the application's coroutine, or here if there is none yet."""
        if self.coroutine is None:
            raise thrown
        try:
            outcome: object = self.coroutine.throw(thrown)
        except StopIteration:
            return FINISHED
        return outcome

    def hold(self, outcome: object) -> None:
        """Keep the outcome of the first step, or the `error` that it has ended with, until the
        task takes it."""
        self.holds = True
        self.outcome = outcome

    def hand_over(self) -> object:
        """Return or raise the outcome of the first step."""
        self.holds = False
        error, outcome = self.error, self.outcome
        self.error = self.outcome = None
        try:
            if error is not None:
                raise error
        finally:
            # The exception has the frame of this function.
            error = None
        return outcome

    def cancel_again(self, error: BaseException) -> object:
        """Hand over the outcome to a task that was cancelled in the step that led to it.

        An ordinary task would be cancelled at its next step, or with the future that it waits for.
        This one has taken the request for the step that it begins now. So it is given the request
        anew, and counts it only once.
        """
        outcome = self.hand_over()
        if outcome is FINISHED:
            raise error
        task = current_task()
        if task is not None:
            task.cancel(*error.args)
            task.uncancel()
        return outcome

    # The protocol of coroutines.

    def __await__(self) -> "CallCoroutine":
        return self

    def __iter__(self) -> "CallCoroutine":
        return self

    def __next__(self) -> object:
        outcome = self.step()
        if outcome is FINISHED:
            raise StopIteration
        return outcome

    def send(self, value: object) -> object:
        """Take one step."""
        return self.__next__()

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> object:
        """Take one step, which begins with an exception."""
        error = kind if value is None else value
        if isinstance(error, type):
            error = error()
        outcome = self.cancel_again(error) if self.holds else self.resume(error)
        if outcome is FINISHED:
            raise StopIteration
        return outcome

    def close(self) -> None:
        """End the application's coroutine."""
        if self.call is None:
            return
        try:
            self.throw(GeneratorExit())
        except (GeneratorExit, StopIteration):
            return
        raise RuntimeError("coroutine ignored GeneratorExit")

    def __getattr__(self, name: str) -> Any:
        if name[:3] == "cr_" or name in {"__name__", "__qualname__"}:
            return getattr(self.coroutine, name, None)
        raise AttributeError(name)


class StepRunner:
    """Runs the first steps of an application's calls.

    base_context: the context of which each call gets a copy.
    lazy: whether the task of a first step is made only when something asks for it.
    spare: the lazy task; registered with asyncio, so that `all_tasks` finds it.
    references, weak_references: their numbers while only this runner has the lazy task.
    coroutine, context: those of the first step that is running.
    task: the lazy task, when it became an ordinary one in this step.
    step: the first step that asyncio has wanted to schedule for a task.
    """

    __slots__ = (
        "base_context",
        "context",
        "coroutine",
        "lazy",
        "loop",
        "references",
        "spare",
        "step",
        "task",
        "weak_references",
    )

    def __init__(
        self, loop: AbstractEventLoop, base_context: Context, lazy: bool | None = None
    ) -> None:
        self.loop = loop
        self.base_context = base_context
        self.lazy = LAZY if lazy is None else lazy
        self.spare: Any = None
        self.references = self.weak_references = 0
        self.coroutine: CallCoroutine | None = None
        self.context: Context | None = None
        self.task: Task[None] | None = None
        self.step: Callable[[], object] | None = None

    def begin(self, call: FirstStepCall) -> "Task[None] | None":
        """Run the first step of the call, and leave the rest to the loop. Return the task, if
        there is one."""
        coroutine = CallCoroutine(call)
        context = stepping.copy_of(self.base_context)
        if not self.lazy:
            return self.begin_task(coroutine, context)
        if self.spare is None:
            self.make_spare()
        try:
            _enter_task(self.loop, self.spare)
        except RuntimeError:
            # Another task is running.
            return Task(coroutine, loop=self.loop, name=TASK_NAME, context=context)
        self.coroutine = coroutine
        self.context = context
        outcome: object = FINISHED
        try:
            outcome = stepping.step_in(context, coroutine)
        except BaseException as error:
            coroutine.error = error
        finally:
            _leave_task(self.loop, self.task or self.spare)
            self.coroutine = self.context = None
        if (
            outcome is FINISHED
            and self.task is None
            and stepping.count_references(self.spare) == self.references
            and (coroutine.error is None or isinstance(coroutine.error, CancelledError))
        ):
            coroutine.error = None
            if getweakrefcount(self.spare) != self.weak_references:
                # Weak references end with the task, as those to an ordinary one would now.
                self.spare = None
            return None
        return self.deliver(coroutine, context, outcome)

    def deliver(self, coroutine: CallCoroutine, context: Context, outcome: object) -> "Task[None]":
        """Give the outcome of a first step to an ordinary task, and return that."""
        task = self.task
        if task is None:
            if (
                stepping.count_references(self.spare) != self.references
                or getweakrefcount(self.spare) != self.weak_references
            ):
                task = self.take_spare()
            task = self.init_task(task, coroutine, context)
        self.task = None
        step, self.step = self.step, None
        coroutine.hold(outcome)
        if step is not None:
            context.run(step)
        return task

    def make_spare(self) -> None:
        """Create the lazy task of the next calls."""
        task = LazyTask.__new__(LazyTask)
        object.__setattr__(task, "runner", self)
        _register_task(task)
        self.spare = task
        del task
        self.references = stepping.count_references(self.spare)
        self.weak_references = getweakrefcount(self.spare)

    def take_spare(self) -> "Task[None]":
        """Return the lazy task, which is to become an ordinary one."""
        task: RequestTask = self.spare
        self.spare = None
        object.__setattr__(task, "__class__", RequestTask)
        task.runner = None
        return task

    def initialize(self) -> bool:
        """Make the lazy task an ordinary one; false where this thread may not do so."""
        if _get_running_loop() is not self.loop:
            return False
        task = self.take_spare()
        coroutine = self.coroutine
        if coroutine is not None and self.context is not None:
            self.init_task(task, coroutine, self.context)
            self.task = task
        else:
            # Between two calls, from `all_tasks`. The task has to be of a call that has returned.
            self.init_task(task, CallCoroutine(None), stepping.copy_of(self.base_context))
            self.step = None
            Future.set_result(task, None)
        return True

    def init_task(
        self, task: "Task[None] | None", coroutine: Any, context: Context
    ) -> "Task[None]":
        """Initialize a task, a new one if there is none, and keep its first step, which a task
        schedules by `loop.call_soon`."""
        loop: Any = self.loop
        loop.call_soon = self.keep_step
        try:
            if task is None:
                return Task(coroutine, loop=loop, name=TASK_NAME, context=context)
            Task.__init__(task, coroutine, loop=loop, name=TASK_NAME, context=context)
        finally:
            del loop.call_soon
        return task

    def keep_step(self, step: Any, *args: Any, context: Context | None = None) -> Any:
        """Stand in for `loop.call_soon` while a task is initialized."""
        if type(step) is STEP:
            self.step = step
            return None
        # A finalizer, which the garbage collector happens to run now.
        loop: Any = self.loop
        return type(loop).call_soon(loop, step, *args, context=context)

    def begin_task(self, coroutine: Any, context: Context) -> "Task[None]":
        """Run the first step in an ordinary task."""
        if sys.version_info >= (3, 12):
            eager: Task[None] = EagerTask(
                coroutine, loop=self.loop, name=TASK_NAME, context=context, eager_start=True
            )
            return eager
        task = self.init_task(None, coroutine, context)
        step, self.step = self.step, None
        if step is not None:
            context.run(step)
        return task


class CheckLoop:
    """The part of an event loop that `can_be_lazy` needs.

    steps: what was scheduled, with its context.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[Any, Context]] = []

    def get_debug(self) -> bool:
        """Return false."""
        return False

    def call_soon(self, step: Any, *, context: Context) -> None:
        """Keep the step."""
        self.steps.append((step, context))

    def run(self) -> None:
        """Run what was scheduled."""
        steps, self.steps = self.steps, []
        for step, context in steps:
            context.run(step)


class CheckCall(FirstStepCall):
    """A call for `can_be_lazy`.

    application: an asynchronous function without parameters.
    """

    __slots__ = ("application", "error")

    application: Callable[[], Any]

    def call_application(self) -> Any:
        return self.application()

    def conclude(self, error: BaseException | None) -> None:
        self.error = error


def check_call(application: Any) -> CheckCall:
    """Return a call without a request."""
    call = CheckCall.__new__(CheckCall)
    call.application = application
    return call


def step_type() -> type | None:
    """Return the type of the first steps that tasks schedule; None if a task cannot have a loop
    such as CheckLoop."""
    loop: Any = CheckLoop()
    try:
        Task(awaited(READY), loop=loop)
        step = loop.steps[0][0]
        loop.run()
    except Exception:
        return None
    return type(step)


def can_be_lazy() -> bool:
    """Return whether asyncio works as lazy tasks need it, for example with its tasks in C."""
    loop: Any = CheckLoop()
    runner = StepRunner(loop, Context(), True)
    running = _get_running_loop()
    _set_running_loop(loop)
    try:
        return STEP is not None and Task.__module__ == "_asyncio" and works(runner, loop)
    except Exception:
        return False
    finally:
        _set_running_loop(running)


def works(runner: StepRunner, loop: Any) -> bool:
    """Try a call that does not use its task, one that does, and one that waits."""
    seen: list[Any] = []

    async def pass_by() -> None:
        seen.append(id(current_task(loop)))

    async def ask() -> None:
        task = current_task(loop)
        seen.append(task in all_tasks(loop) and task)
        await YieldAwaitable()
        seen.append(current_task(loop))

    async def wait() -> None:
        await YieldAwaitable()
        seen.append(current_task(loop))

    passed = [runner.begin(check_call(pass_by)) for _ in range(2)]
    asked = runner.begin(check_call(ask))
    waited = runner.begin(check_call(wait))
    loop.run()
    return (
        passed == [None, None]
        and seen[0] == seen[1]
        and seen[2:] == [asked, asked, waited]
        and type(waited) is Task
        and isinstance(asked, RequestTask)
        and asked.done()
        and waited.done()
        and current_task(loop) is None
        and all_tasks(loop) == set()
    )


STEP: Any = step_type()
LAZY = can_be_lazy()
