"""Calling an ASGI 3 application: what its HTTP requests and its WebSockets share.

    AsgiCaller  one application in one worker: makes scopes, starts tasks
    AsgiCall    one call of it: its task, and the wake-ups that resume it

The awaitables that `receive` and `send` return are in awaitables.py. Both are marked as coroutine
functions all the same (`mark_async`), because some libraries check that before they await. Methods
of a compiled class can only be marked where Cython is given `binding=True`, the first line of the
modules that have such methods.

The messages, and their order, are in http.py and websocket.py.
"""

import asyncio.coroutines
import contextvars
import inspect
import logging
import sys
from asyncio import AbstractEventLoop, CancelledError, Task, current_task
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from bascule.errors import ResponseError
from bascule.interfaces.asgi.awaitables import (
    DrainAwaitable,
    ReadyAwaitable,
    ReceiveAwaitable,
    Wakeup,
    YieldAwaitable,
)
from bascule.interfaces.asgi.first_step import FirstStepCall, StepRunner
from bascule.interfaces.asgi.plan import AsgiPlan
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Exchange, Interface
from bascule.interfaces.leaving import forget_frames, is_disconnect
from bascule.interfaces.stopping import Stopping
from bascule.protocols.events import Request
from bascule.stacks import task_stack
from bascule.types import ASGI3App, AsgiExtension, Message, Scope

logger = logging.getLogger("bascule.asgi")

ASGI_VERSION = "3.0"
# The reason for this version is in http.py.
HTTP_SPEC_VERSION = "2.3"
ASGI = {"version": ASGI_VERSION, "spec_version": HTTP_SPEC_VERSION}
WEBSOCKET_SPEC_VERSION = "2.5"

PERCENT = 0x25

Extensions = dict[str, dict[str, object]]


def mark_async(function: Any) -> None:
    """Have `iscoroutinefunction` of inspect, asyncio and asgiref return true for a function."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(function)
    else:
        function._is_coroutine = getattr(asyncio.coroutines, "_is_coroutine")  # noqa: B009


class AsgiCall(FirstStepCall):
    """One call of an ASGI application. Subclasses know the messages and their order.

    Two rules hold for all calls. A disconnect cancels nothing behind the application's back. The
    call and its task are in `interface.started` until the application returns, because the loop
    itself holds tasks only weakly.
    """

    __slots__ = ("interface", "task")

    called_by = "ASGI"

    interface: "AsgiCaller"
    task: "Task[None] | None"

    # Implemented by subclasses.

    def scope(self) -> Scope:
        """Return the scope that the application is called with."""
        raise NotImplementedError

    def receive(self) -> ReceiveAwaitable:
        """ASGI `receive`."""
        raise NotImplementedError

    def send(self, message: Message) -> ReadyAwaitable | DrainAwaitable | YieldAwaitable:
        """ASGI `send`. Raises ClientDisconnected, ResponseError or RuntimeError at the call."""
        raise NotImplementedError

    def judge_return(self) -> None:
        """Finish the response of an application that has returned."""
        raise NotImplementedError

    def fail(self, what: str, error: BaseException | None) -> None:
        """Log what the application did wrong, and finish its response."""
        raise NotImplementedError

    def is_unheard(self) -> bool:
        """Return whether no client receives what the application sends."""
        return self.disconnected

    # The call.

    def start(self) -> None:
        """Call the application in a task of its own."""
        self.interface.running += 1
        self.interface.begin_task(self)

    def call_application(self) -> Any:
        """Call the application, and return what it returns."""
        return self.interface.app(self.scope(), self.receive, self.send)

    def conclude(self, error: BaseException | None) -> None:
        """Finish the response of an application that has returned, or that has raised an error."""
        try:
            if error is None:
                self.judge_return()
            elif isinstance(error, CancelledError):
                self.fail("was cancelled", None)
            elif self.is_unheard() and is_disconnect(error):
                # The OSError of `send` has ended the application, which is the usual way to stop.
                forget_frames(error)
            else:
                self.fail("raised", error)
        finally:
            self.note_return()

    def note_return(self) -> None:
        """Forget the call: the application has returned."""
        self.interface.running -= 1
        self.interface.started.discard(self)

    # From the carrier.

    def resume_writing(self) -> None:
        self.wake_reader()

    def wake_reader(self) -> None:
        waiters = self.waiters
        if waiters:
            self.waiters = []
            for wakeup in waiters:
                wakeup.wake()

    # When the call takes too long.

    def whereabouts(self) -> str:
        task = self.task
        # A call that is in its first step has no task yet.
        if task is None or current_task(self.interface.loop) is task:
            return "running on the loop"
        return "waiting on the loop"

    def stack(self) -> str:
        return task_stack(self.task) if self.task is not None else ""

    def is_running(self) -> bool:
        return self.task is not None and not self.task.done()

    def expire(self) -> None:
        """Cancel the task; the application can clean up."""
        if self.task is not None:
            self.task.cancel()

    # For the awaitables.

    def wait(self) -> Wakeup:
        wakeup = Wakeup(self.interface.loop)
        self.waiters.append(wakeup)
        return wakeup

    def wait_first(self) -> Wakeup:
        wakeup = Wakeup(self.interface.loop)
        self.waiters.insert(0, wakeup)
        return wakeup

    def log_failure(self, what: str, error: BaseException | None) -> None:
        """Log a line, with the traceback if there is one, for the application's developers."""
        logger.error(
            "ASGI application %s: %s %s",
            what,
            self.request.method,
            printable(self.request.path),
            exc_info=error,
        )


class AsgiCaller(Interface):
    """Calls one ASGI 3 application on the loop.

    state: the lifespan state, copied into each scope; None when there was no lifespan.
    started: the calls that did not return in their first step, and with them their tasks.
    extensions: the extensions that HTTP scopes announce; each scope has a copy.
    stopping: whether the server stops.
    http_scope, websocket_scope: templates that scopes are copied from.
    root_path: the path of the application for clients: the prefix that a proxy has `stripped`
        from each path, then the path at which the application is `mounted` here.
    """

    __slots__ = (
        "app",
        "extensions",
        "http_scope",
        "loop",
        "mounted",
        "root_path",
        "runner",
        "started",
        "state",
        "stopping",
        "stripped",
        "tls",
        "websocket_extensions",
        "websocket_scope",
    )

    def __init__(
        self,
        app: ASGI3App,
        loop: AbstractEventLoop,
        plan: AsgiPlan,
        stopping: Stopping | None = None,
        state: dict[str, Any] | None = None,
        mounted: str = "",
    ) -> None:
        self.running = self.switched = self.deserted = 0
        self.websockets = plan.websockets
        self.stopping = stopping or Stopping()
        self.announce(plan.extensions)
        self.app = app
        self.loop = loop
        self.stripped = plan.root_path
        self.mounted = mounted
        self.root_path = plan.root_path + mounted
        self.state = state
        self.http_scope = self.scope_template("http")
        self.websocket_scope = self.scope_template("websocket")
        self.started: set[AsgiCall] = set()
        # The context that each call starts from. A task would copy the context it is made in,
        # which may be that of another call: callbacks of a transport run in the context that
        # resumed its reading.
        self.runner = StepRunner(loop, contextvars.copy_context())

    def announce(self, names: Iterable[AsgiExtension]) -> None:
        """Have scopes announce these extensions, and `bascule.stopping` if it is among them."""
        wanted: Extensions = {name: {} for name in names}
        if "bascule.stopping" in wanted:
            wanted["bascule.stopping"] = self.stopping.extension()
        # The connection has the content of this extension.
        self.tls = wanted.pop("tls", None) is not None
        self.extensions = {name: wanted[name] for name in wanted if name[:10] != "websocket."}
        self.websocket_extensions = {name: wanted[name] for name in wanted if name[:5] != "http."}

    def offer(self, extensions: Extensions) -> Extensions:
        """Return the extensions for one scope. They are new for each scope, because the
        application may add to them."""
        offered = extensions.copy()
        for name, content in extensions.items():
            # Nearly all are empty, and an empty one is cheaper to make than to copy.
            offered[name] = content.copy() if content else {}
        return offered

    def scope_template(self, kind: str) -> dict[str, Any]:
        """Return a scope with a place for every key. Its copies need not grow."""
        scope: dict[str, Any] = {
            "type": kind,
            "asgi": ASGI,
            "http_version": "1.1",
            "scheme": "",
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "root_path": self.root_path,
            "headers": [],
            "client": None,
            "server": None,
            "extensions": None,
        }
        scope["method" if kind == "http" else "subprotocols"] = None
        if self.state is not None:
            scope["state"] = None
        return scope

    def begin_task(self, call: AsgiCall) -> None:
        """Run the first step of the call now, and leave the rest, if there is any, to the loop."""
        task = self.runner.begin(call)
        if task is not None and not task.done():
            call.task = task
            self.started.add(call)

    def scope(
        self,
        template: dict[str, Any],
        request: Request,
        endpoint: Endpoint,
        extensions: Extensions,
    ) -> Scope:
        """Return a scope with the part that HTTP and WebSockets share; the call adds the rest."""
        raw_path = request.path
        if PERCENT in raw_path:
            path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
        else:
            path = raw_path.decode("ascii")
        scope = template.copy()
        stripped = self.stripped
        if request.root_path:
            # The proxy describes this request, the setting describes all requests.
            stripped = request.root_path
            scope["root_path"] = stripped + self.mounted
        if stripped:
            path = stripped + path
        scope["asgi"] = ASGI.copy()
        if request.http_version != "1.1":
            scope["http_version"] = request.http_version
        scope["path"] = path
        scope["raw_path"] = raw_path
        scope["query_string"] = request.query
        scope["headers"] = request.fields
        scope["client"] = endpoint.client
        scope["server"] = endpoint.server
        scope["extensions"] = extensions
        if endpoint.tls is not None and self.tls:
            extensions["tls"] = {
                key: list(value) if type(value) is list else value
                for key, value in endpoint.tls.items()
            }
        state = self.state
        if state is not None:
            scope["state"] = state.copy()
        return scope

    def calls(self) -> list[Exchange]:
        return list(self.started)

    def close(self) -> None:
        """Cancel the calls that have not returned."""
        for call in list(self.started):
            if call.task is not None:
                call.task.cancel()


def from_asgi2(app: Any) -> ASGI3App:
    """Return an ASGI 3 application for one of ASGI 2, which is called twice: with the scope, then
    with receive and send."""

    async def asgi3(scope: Scope, receive: Any, send: Any) -> None:
        await app(scope)(receive, send)

    return asgi3


def checked_body(body: object) -> bytes:
    """Return a body as bytes. Raises ResponseError for what is no byte string."""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise ResponseError(f"body is {type(body).__name__}, not bytes")


def printable(path: bytes) -> str:
    """Return a path for the log. A target has visible ASCII only."""
    return path.decode("ascii", "backslashreplace")
