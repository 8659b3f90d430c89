"""ASGI HTTP (ASGI 3.0, HTTP specification 2.5): one exchange, one call of the application.

    AsgiInterface    one application in one worker: makes the scope, starts the task
    AsgiExchange     `receive` and `send` of one request, and the rules about their order
    Receive, Drained the awaitables they return when there is something to wait for
    ReadyAwaitable   the one they return when there is not

`receive` and `send` are not coroutine functions. They return objects that carry the whole
coroutine protocol, because applications await them, hand them to create_task, and wrap them in
wait_for. Nothing is created for the common case, a `send` to a client that keeps up.

A disconnect cancels nothing behind the application's back: `receive` says http.disconnect, `send`
raises OSError.
"""

import contextvars
import logging
import os
import sys
from asyncio import AbstractEventLoop, CancelledError, Future, Task
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from bascule.errors import ClientDisconnected, ResponseError
from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.protocols.events import Request
from bascule.types import ASGI3App, Message, Scope

logger = logging.getLogger("bascule.asgi")

ASGI_VERSION = "3.0"
HTTP_SPEC_VERSION = "2.5"
# A name that is given costs less than one that asyncio has to count up.
TASK_NAME = "bascule request"

PERCENT = 0x25

# How far the response is.
IDLE = 0
HEAD_KEPT = 1  # http.response.start was received; the head leaves with the first body message
SENDING = 2
BEFORE_TRAILERS = 3
COMPLETE = 4

EXPECTED = (
    "before http.response.start",
    "between http.response.start and the body",
    "in the middle of the body",
    "where http.response.trailers were announced",
    "after the response",
)
PLAIN_TEXT = [(b"content-type", b"text/plain; charset=utf-8")]


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


class Waiting:
    """A hand-written coroutine that waits on futures of its exchange until `step` has a result."""

    __slots__ = ("exchange", "finished", "future")

    def __init__(self, exchange: "AsgiExchange") -> None:
        self.exchange = exchange
        self.finished = False
        self.future: Future[None] | None = None

    def attempt(self) -> object:
        """The result, or None while there is none."""
        raise NotImplementedError

    def __await__(self) -> "Waiting":
        return self

    def __iter__(self) -> "Waiting":
        return self

    def __next__(self) -> object:
        return self.advance()

    def send(self, value: object) -> object:
        """One step of the coroutine protocol."""
        return self.advance()

    def advance(self) -> object:
        """Finish with StopIteration when the result is there, else give the loop a future to wait
        for."""
        if self.finished:
            raise RuntimeError("this awaitable was awaited before; call it again instead")
        result = self.attempt()
        if result is not None:
            self.finished = True
            raise StopIteration(result if result is not READY else None)
        future = self.future = self.exchange.wait()
        # What Future.__await__ does: it tells the task that the future was meant for it.
        future._asyncio_future_blocking = True
        return future

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> None:
        """Cancellation arrives here; whatever was not received stays with the exchange."""
        self.close()
        raise kind if value is None else value

    def close(self) -> None:
        """Wait no longer."""
        self.finished = True
        waiters = self.exchange.waiters
        if self.future in waiters:
            waiters.remove(self.future)


class Receive(Waiting):
    """What `await receive()` waits on. The message is taken when it is awaited, so a cancelled one
    loses nothing."""

    __slots__ = ()

    def attempt(self) -> object:
        return self.exchange.next_message()


class Drained(Waiting):
    """What `await send()` waits on while the client reads slower than the application writes."""

    __slots__ = ()

    def attempt(self) -> object:
        return None if self.exchange.is_congested() else READY


class AsgiExchange(Exchange):
    """One request to an ASGI application, and its response."""

    __slots__ = (
        "end_told",
        "fields",
        "interface",
        "response_trailers",
        "state",
        "status",
        "task",
        "trailers_follow",
        "waiters",
    )

    def __init__(self, interface: "AsgiInterface", request: Request, carrier: Carrier) -> None:
        self.interface = interface
        self.request = request
        self.carrier = carrier
        self.body = []
        self.body_size = 0
        self.body_ended = request.ended
        self.trailers = []
        self.disconnected = False
        self.finished_sending = False
        self.held = False
        self.state = IDLE
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.response_trailers: list[tuple[bytes, bytes]] = []
        self.trailers_follow = False
        self.end_told = False
        self.waiters: list[Future[None]] = []
        self.task: Task[None] | None = None

    # The call.

    def start(self) -> None:
        """Call the application in a task of its own."""
        self.interface.running += 1
        self.interface.begin_task(self)

    async def run(self) -> None:
        """The whole life of the call."""
        interface = self.interface
        try:
            await interface.app(
                interface.scope(self.request, self.carrier), self.receive, self.send
            )
        except CancelledError:
            self.fail("was cancelled", None)
            raise
        except BaseException as error:
            if self.disconnected and is_disconnect(error):
                # The application let the OSError of `send` end it, which is the usual way to stop.
                forget_frames(error)
            else:
                # SystemExit too: one request does not end the process for all the others.
                self.fail("raised", error)
        else:
            self.judge_return()
        finally:
            interface.running -= 1
            interface.tasks.discard(self.task)

    def judge_return(self) -> None:
        """The application returned: was the response complete, or was nobody left to get one?"""
        if self.state == COMPLETE or self.disconnected:
            return
        if self.finished_sending:
            self.state = COMPLETE
            self.carrier.abort()
        else:
            self.fail("returned without completing its response", None)

    def fail(self, what: str, error: BaseException | None) -> None:
        """The application will not finish the response: a 500 if there is time, else an aborted
        connection."""
        if error is not None or not self.disconnected:
            logger.error(
                "ASGI application %s: %s %s",
                what,
                self.request.method,
                printable(self.request.path),
                exc_info=error,
            )
        if self.state == COMPLETE or self.disconnected:
            return
        if self.state <= HEAD_KEPT:
            self.state = COMPLETE
            self.carrier.respond(500, PLAIN_TEXT, b"Internal Server Error", True)
        else:
            self.state = COMPLETE
            self.carrier.abort()

    # From the application.

    def receive(self) -> Receive:
        """ASGI `receive`."""
        if (
            not self.body
            and not self.body_ended
            and not self.finished_sending
            and self.state != COMPLETE
        ):
            self.carrier.want_body()
        return Receive(self)

    def next_message(self) -> Message | None:
        """What `receive` returns now, or None."""
        if self.state != COMPLETE and not self.finished_sending:
            if self.body or (self.body_ended and not self.end_told):
                self.end_told = self.body_ended
                return {
                    "type": "http.request",
                    "body": self.take_body(),
                    "more_body": not self.body_ended,
                }
            return None
        return {"type": "http.disconnect"}

    def send(self, message: Message) -> ReadyAwaitable | Drained:
        """ASGI `send`. Raises ClientDisconnected, ResponseError or RuntimeError at the call."""
        kind = message["type"]
        if self.disconnected:
            self.check_connected()
        state = self.state
        if kind == "http.response.body" and HEAD_KEPT <= state <= SENDING:
            self.send_body(message)
        elif kind == "http.response.start" and state == IDLE:
            self.keep_head(message)
        else:
            self.send_other(kind, message)
        if self.state != COMPLETE and self.carrier.congested:
            return Drained(self)
        return READY

    def keep_head(self, message: Message) -> None:
        """http.response.start: kept until the first body message, so that both leave in one
        write."""
        self.status = message["status"]
        fields = message.get("headers")
        if fields is None:
            self.fields = []
        else:
            self.fields = fields if type(fields) is list else list(fields)
        self.trailers_follow = message.get("trailers", False)
        self.state = HEAD_KEPT

    def send_body(self, message: Message) -> None:
        """http.response.body."""
        body = message.get("body", b"")
        if type(body) is not bytes:
            body = checked_body(body)
        more = message.get("more_body", False)
        end = not more and not self.trailers_follow
        if self.state == HEAD_KEPT:
            self.carrier_respond(body, end)
        else:
            self.carrier_send(body, end)
        if not more and self.trailers_follow:
            self.state = BEFORE_TRAILERS

    def carrier_respond(self, body: bytes, end: bool) -> None:
        """Send the head. If the application got it wrong nothing was sent, and it may still answer
        otherwise."""
        self.state = COMPLETE if end else SENDING
        try:
            self.carrier.respond(self.status, self.fields, body, end)
        except BaseException:
            self.state = IDLE
            raise
        if end:
            self.wake_reader()

    def carrier_send(self, body: bytes, end: bool) -> None:
        """Send body. The state changes first: with the end of a response the carrier is somebody
        else's."""
        if end:
            self.state = COMPLETE
        try:
            self.carrier.send(body, end)
        except BaseException:
            self.state = SENDING
            raise
        if end:
            self.wake_reader()

    def send_other(self, kind: str, message: Message) -> None:
        """Everything that is not the usual start and body."""
        state = self.state
        if state == COMPLETE:
            raise RuntimeError(f"{kind!r} after the response was complete")
        if kind == "http.response.trailers" and state == BEFORE_TRAILERS:
            self.send_trailers(message)
        elif kind == "http.response.pathsend" and state in (HEAD_KEPT, SENDING):
            self.send_path(message)
        elif kind == "http.response.zerocopysend" and state in (HEAD_KEPT, SENDING):
            self.send_zerocopy(message)
        elif kind == "http.response.early_hint" and state in (IDLE, HEAD_KEPT):
            self.carrier.inform(103, [(b"link", link) for link in message.get("links", ())])
        else:
            raise RuntimeError(f"{kind!r} is not expected {EXPECTED[state]}")

    def send_trailers(self, message: Message) -> None:
        """http.response.trailers; several are joined until the last."""
        self.response_trailers += message.get("headers", ())
        if not message.get("more_trailers", False):
            trailers, self.response_trailers = self.response_trailers, []
            self.carrier.send_trailers(trailers)
            self.state = COMPLETE
            self.wake_reader()

    def send_path(self, message: Message) -> None:
        """http.response.pathsend: a whole file by its absolute path."""
        # Not a context manager: the carrier closes it when it is sent.
        file = open(message["path"], "rb", buffering=0)  # noqa: SIM115
        try:
            size = file_size(file)
            if self.state == HEAD_KEPT:
                self.announce(size)
            self.state = COMPLETE
            self.carrier.send_file(file, 0, size, True)
            self.wake_reader()
        except BaseException:
            file.close()
            raise

    def announce(self, size: int) -> None:
        """Send the kept head before a file whose length is known; declare the length if nobody
        did."""
        declared = [value for name, value in self.fields if name.lower() == b"content-length"]
        if not declared:
            self.fields = [*self.fields, (b"content-length", b"%d" % size)]
        elif declared != [b"%d" % size]:
            self.state = IDLE
            raise ResponseError(
                f"a file of {size} octets with a Content-Length of {declared[0]!r}"
            )
        self.carrier_respond(b"", False)

    def send_zerocopy(self, message: Message) -> None:
        """http.response.zerocopysend: a part of a file that the application keeps open."""
        file = message["file"]
        offset = message.get("offset")
        if offset is None:
            offset = file.tell()
        count = message.get("count")
        if count is None:
            count = max(file_size(file) - offset, 0)
        end = not message.get("more_body", False)
        if self.state == HEAD_KEPT:
            if end:
                self.announce(count)
            else:
                self.carrier_respond(b"", False)
        if end:
            self.state = COMPLETE
        self.carrier.send_file(
            os.fdopen(os.dup(file.fileno()), "rb", buffering=0), offset, count, end
        )

    # From the carrier.

    def resume_writing(self) -> None:
        self.wake_reader()

    def wake_reader(self) -> None:
        waiters = self.waiters
        if waiters:
            self.waiters = []
            for future in waiters:
                if not future.done():
                    future.set_result(None)

    # For the awaitables.

    def wait(self) -> "Future[None]":
        """A future that is done when anything happens to this exchange."""
        future: Future[None] = self.interface.loop.create_future()
        self.waiters.append(future)
        return future

    def is_congested(self) -> bool:
        return self.state != COMPLETE and not self.disconnected and self.carrier.congested


class AsgiInterface(Interface):
    """Calls one ASGI 3 application on the loop.

    state: what lifespan startup left, copied into each scope; None when there was no lifespan.
    tasks: the calls that did not finish in their first step; the loop itself only holds tasks
    weakly.
    """

    __slots__ = (
        "app",
        "base_context",
        "context",
        "eager",
        "loop",
        "root_path",
        "state",
        "step",
        "tasks",
    )

    def __init__(
        self,
        app: ASGI3App,
        loop: AbstractEventLoop,
        root_path: str = "",
        state: dict[str, Any] | None = None,
    ) -> None:
        self.running = 0
        self.app = app
        self.loop = loop
        self.root_path = root_path
        self.state = state
        self.tasks: set[Task[None]] = set()
        # What each call starts from. A task would copy the context it is made in, which may be
        # that of another call: callbacks of a transport run in the one that resumed its reading.
        self.base_context = contextvars.copy_context()
        self.eager = start_eagerly if sys.version_info >= (3, 12) else start_in_place
        self.step: Callable[[], None] | None = None
        self.context: contextvars.Context | None = None

    def exchange(self, request: Request, carrier: Carrier) -> AsgiExchange:
        return AsgiExchange(self, request, carrier)

    def begin_task(self, exchange: AsgiExchange) -> None:
        """Run the first step of the call now and leave the rest, if there is any, to the loop."""
        task = self.eager(self, exchange.run())
        if not task.done():
            exchange.task = task
            self.tasks.add(task)

    def keep_step(
        self, step: Callable[[], None], context: contextvars.Context | None = None
    ) -> None:
        """Stands in for `loop.call_soon` while a task is made; see `start_in_place`."""
        self.step = step
        self.context = context

    def scope(self, request: Request, carrier: Carrier) -> Scope:
        """The HTTP connection scope (ASGI HTTP specification 2.5)."""
        endpoint = carrier.endpoint
        raw_path = request.path
        if PERCENT in raw_path:
            path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
        else:
            path = raw_path.decode("ascii")
        root_path = self.root_path
        if root_path:
            path = root_path + path
        scope: Scope = {
            "type": "http",
            "asgi": {"version": ASGI_VERSION, "spec_version": HTTP_SPEC_VERSION},
            "http_version": request.http_version,
            "method": request.method,
            "scheme": endpoint.scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": request.query,
            "root_path": root_path,
            "headers": request.fields,
            "client": endpoint.client,
            "server": endpoint.server,
            "extensions": {
                "http.response.trailers": {},
                "http.response.pathsend": {},
                "http.response.zerocopysend": {},
                "http.response.early_hint": {},
            },
        }
        if endpoint.tls is not None:
            scope["extensions"]["tls"] = {
                key: list(value) if type(value) is list else value
                for key, value in endpoint.tls.items()
            }
        if self.state is not None:
            scope["state"] = self.state.copy()
        return scope

    def close(self) -> None:
        """Cancel what is still running."""
        for task in list(self.tasks):
            task.cancel()


# Python 3.11's has no `eager_start`, which is why it is not called through its own type here.
EagerTask: Any = Task


def start_eagerly(interface: AsgiInterface, coroutine: Any) -> "Task[None]":
    """Python 3.12 and later run the first step of a task while it is made."""
    context = interface.base_context.copy()
    task: Task[None] = EagerTask(
        coroutine, loop=interface.loop, name=TASK_NAME, context=context, eager_start=True
    )
    return task


def start_in_place(interface: AsgiInterface, coroutine: Any) -> "Task[None]":
    """The same for Python 3.11, where a new task asks `loop.call_soon` for its first step.

    For the moment of its making it finds `keep_step` there, and the step runs here, in the task's
    own context. The task is an ordinary one and current_task() is true throughout; what is saved
    is a turn of the loop. Only allowed where no other task is running, which callbacks of a
    transport are not.
    """
    loop: Any = interface.loop
    loop.call_soon = interface.keep_step
    try:
        task: Task[None] = Task(
            coroutine, loop=loop, name=TASK_NAME, context=interface.base_context.copy()
        )
    finally:
        del loop.call_soon
    step = interface.step
    context = interface.context
    interface.step = interface.context = None
    if context is not None and step is not None:
        context.run(step)
    return task


def from_asgi2(app: Any) -> ASGI3App:
    """ASGI 2 applications are called twice: with the scope, then with receive and send."""

    async def asgi3(scope: Scope, receive: Any, send: Any) -> None:
        await app(scope)(receive, send)

    return asgi3


def is_disconnect(error: BaseException | None) -> bool:
    """ClientDisconnected, or what an application made of it (Starlette raises its own)."""
    while error is not None and not isinstance(error, ClientDisconnected):
        error = error.__cause__ or error.__context__
    return error is not None


def forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks: they keep the application's frames alive, and with them generators
    that should be closed now.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def checked_body(body: object) -> bytes:
    """Byte strings of other kinds are copied; anything else is the application's mistake."""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise ResponseError(f"body is {type(body).__name__}, not bytes")


def file_size(file: Any) -> int:
    return os.fstat(file.fileno()).st_size


def printable(path: bytes) -> str:
    """A path for the log: llhttp let only visible ASCII through."""
    return path.decode("ascii", "backslashreplace")
