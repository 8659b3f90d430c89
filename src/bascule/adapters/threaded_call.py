"""One request of a WSGI application that is called for an ASGI server.

    ThreadedCall  one request: cut along the thread boundary

The thread only runs the WSGI application; it puts operations on `outbox`. The coroutine that the
server awaits carries them out one after another: it alone calls `send`. `receive` is called when
the application reads, and besides by at most one task, which watches for the client's disconnect
while a response is streamed. So nothing is received before it is needed, except a piece of a body
that arrives while that task waits.

Each number that both sides read is written by only one of them.
"""

import io
import os
import threading
from asyncio import Future, Task, wait
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from bascule.adapters.environ import scope_environ
from bascule.adapters.response import FORBIDS_LENGTH, links_of, path_of
from bascule.errors import ClientDisconnected, ResponseError
from bascule.interfaces.leaving import forget_frames, is_disconnect
from bascule.interfaces.wsgi.input import BodyStream
from bascule.interfaces.wsgi.pool import ThreadPool
from bascule.pep3333 import FileWrapper, close, encode_field, join, kernel_file, read_status
from bascule.types import Environ, ExcInfo, Headers, Message, Receive, Scope, Send, WSGIApp

# Bytes a thread may be ahead of `send`: two usual pieces, so that the next is made while one is
# sent.
RESPONSE_HIGH_WATER = 131072

# Bytes of a body without Content-Length that are collected before the call, so that the
# application gets a length: many read only as far as it says. A longer body is passed on as it
# arrives, but not to an application that is known to take it for empty.
COLLECTED = 524288
COLLECTED_BY_LENGTH = 4 * 1024 * 1024
# Seconds without a piece after which a body is passed on as well: the client may wait for an
# answer before it continues.
PATIENCE = 8.0

# Operations from the thread to the loop.
SEND = 0
READ = 1
WATCH = 2
DONE = 3

# Behind the last piece of a result.
END: Any = object()


@dataclass(frozen=True, slots=True)
class WSGIPlan:
    """app: the application.
    threads: the number of requests that may run at the same time."""

    app: WSGIApp
    threads: int


class Places:
    """The limit of WebSockets that are open at the same time, and their number."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0


class ThreadedCall:
    """One request to the WSGI application.

    disconnected: the client is gone, or the server does not await the response any more.
    ended: no more operations are carried out.
    error: an exception of the server's `send` or `receive`.
    is_asked: the application waits for more of the body.
    waiters: the events of threads that wait; usually of the application's one thread.
    """

    def __init__(
        self, plan: WSGIPlan, pool: ThreadPool, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.plan = plan
        self.pool = pool
        self.scope = scope
        self.is_head = scope.get("method") == "HEAD"
        self.receive = receive
        self.send = send
        self.context = copy_context()
        self.outbox: deque[tuple[Any, ...]] = deque()
        self.waiters: list[threading.Event] = []
        # Loop side.
        self.waiter: Future[None] | None = None
        self.watcher: Task[None] | None = None
        self.ended = False
        self.disconnected = False
        self.error: BaseException | None = None
        self.inbox: deque[bytes] = deque()
        self.body_ended = False
        # The length of a body that did not say it and is here whole, or -1.
        self.collected = -1
        self.written = 0
        # Thread side.
        self.is_asked = False
        self.status = 0
        self.fields: Headers = []
        self.has_length = False
        self.head_sent = False
        self.queued = 0
        self.has_watched = False

    # LOOP SIDE

    async def drive(self) -> None:
        """Have the application called, and carry out what it does, until it is done. Raises what
        it, or the server, raised."""
        pool = self.pool
        outbox = self.outbox
        if is_unsized(self.scope) and not await self.collect():
            await self.refuse_body()
            return
        pool.submit(self)
        if pool.is_full() and not self.expects_continue():
            # It will wait for a thread: the client may leave before that.
            self.watch()
        try:
            while True:
                while outbox:
                    operation = outbox.popleft()
                    if operation[0] == DONE:
                        error = operation[1]
                        # An error has this frame in its traceback, and should not be in it.
                        del operation
                        try:
                            self.judge(error)
                        finally:
                            del error
                        return
                    await self.carry_out(operation)
                if self.disconnected and pool.withdraw(self):
                    return
                self.waiter = pool.loop.create_future()
                await self.waiter
        except BaseException:
            # Cancelled by the server, perhaps, before a thread has taken it.
            pool.withdraw(self)
            raise
        finally:
            self.ended = self.disconnected = True
            self.wake_thread()
            if self.watcher is not None:
                await self.stop_watching(self.watcher)

    async def refuse_body(self) -> None:
        """To an application that would take it for empty, a body is too large."""
        from bascule.interfaces.wsgi.body import TOO_LARGE

        text = (b"content-type", b"text/plain; charset=utf-8")
        await self.send({"type": "http.response.start", "status": 413, "headers": [text]})
        await self.send({"type": "http.response.body", "body": TOO_LARGE})

    async def collect(self) -> bool:
        """Receive a body without Content-Length, up to its end or to a limit; False where the
        application cannot be called with it."""
        # Only here: few bodies are without a length.
        from bascule.interfaces.wsgi.body import reads_by_length

        body = io.BytesIO()
        by_length = reads_by_length(self.plan.app)
        limit = COLLECTED_BY_LENGTH if by_length else COLLECTED
        while not (self.body_ended or self.is_over()) and body.tell() <= limit:
            if by_length:
                await self.receive_one()
            elif not await self.receive_in_time():
                break
            while self.inbox:
                body.write(self.inbox.popleft())
        if body.tell():
            self.inbox.append(body.getvalue())
        if self.body_ended:
            self.collected = body.tell()
        return self.body_ended or self.is_over() or not by_length

    def flush(self) -> None:
        """For the pool: the thread has put something on the outbox."""
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def judge(self, error: BaseException | None) -> None:
        """The application is done. Raises what the server must know."""
        error = self.error or error
        self.error = None
        if error is None:
            return
        if self.disconnected and is_disconnect(error):
            forget_frames(error)
            return
        try:
            if isinstance(error, Exception):
                raise error
            # SystemExit is meant for the thread, and CancelledError is not that of this task.
            raise RuntimeError(f"the WSGI application raised {type(error).__name__}") from error
        finally:
            del error

    async def carry_out(self, operation: tuple[Any, ...]) -> None:
        kind = operation[0]
        if kind == SEND:
            try:
                if not self.disconnected and self.error is None:
                    for message in operation[1]:
                        await self.send(message)
                    if operation[3]:
                        self.watch()
            except Exception as error:
                self.note(error)
            self.written += operation[2]
            self.wake_thread()
        elif kind == READ:
            # The watcher may have had it meanwhile, or be about to have it. Waiting here
            # without need would hold up the application's `send`.
            while self.is_asked and self.watcher is None and not self.has_news():
                await self.receive_one()
                self.wake_thread()
        else:
            self.watch()

    def expects_continue(self) -> bool:
        """Return whether the client sends its body only after 100 (Continue): the first read of
        the application causes it."""
        return any(bytes(name).lower() == b"expect" for name, _ in self.scope["headers"])

    def is_over(self) -> bool:
        return self.disconnected or self.error is not None

    def note(self, error: Exception) -> None:
        """`send` or `receive` raised."""
        if says_left(error):
            self.disconnected = True
        else:
            self.error = error

    async def receive_one(self) -> None:
        """Take the next message from the server."""
        try:
            message = await self.receive()
        except Exception as error:
            self.note(error)
        else:
            self.take(message)

    async def receive_in_time(self) -> bool:
        """As `receive_one`; False where nothing comes. The watcher receives it then."""
        first = self.pool.loop.create_task(self.receive_one())
        try:
            await wait([first], timeout=PATIENCE)
        except BaseException:
            first.cancel()
            raise
        if first.done():
            return True
        self.watcher = self.pool.loop.create_task(self.look_out_behind(first))
        return False

    def take(self, message: Message) -> None:
        if message["type"] == "http.request":
            data = message.get("body", b"")
            if data:
                self.inbox.append(bytes(data))
            if not message.get("more_body", False):
                self.body_ended = True
        else:
            self.disconnected = True

    def watch(self) -> None:
        """See to it that the client's leaving is noticed."""
        if self.watcher is None and not (self.inbox or self.is_over()):
            self.watcher = self.pool.loop.create_task(self.look_out())

    async def look_out_behind(self, first: "Task[None]") -> None:
        """As `look_out`, behind a message that is being received already."""
        await first
        self.wake_thread()
        await self.look_out()

    async def look_out(self) -> None:
        """Receive until the client leaves. A piece of the body ends it: what comes behind that
        may only be received once the application has read it."""
        try:
            while not (self.inbox or self.is_over()):
                message = await self.receive()
                self.take(message)
                self.wake_thread()
        except Exception as error:
            # An error is nothing to an application that has not asked for anything.
            if self.is_asked or says_left(error):
                self.note(error)
        finally:
            self.watcher = None
            self.wake_thread()
            if self.disconnected:
                self.flush()

    async def stop_watching(self, watcher: "Task[None]") -> None:
        watcher.cancel()
        await wait([watcher])

    def wake_thread(self) -> None:
        # A thread adds its event before it checks its condition; here the condition is changed
        # first.
        for event in tuple(self.waiters):
            event.set()

    # THREAD SIDE

    def run(self) -> None:
        """The whole life of the call, in a thread of the pool."""
        error = None
        try:
            if not self.disconnected:
                self.context.run(self.call)
        except BaseException as raised:
            error = raised
        self.put_operation((DONE, error))
        # It has this frame in its traceback.
        del error

    def call(self) -> None:
        """Call the application, take its result and close that."""
        result: Any = self.plan.app(self.environ(), self.start_response)
        try:
            kind = type(result)
            if kind is list or kind is tuple:
                self.put_whole(result[0] if len(result) == 1 else join(result))
            elif kind is not FileWrapper or not self.put_file(result):
                self.walk(result)
        finally:
            close(result)

    def environ(self) -> Environ:
        environ = scope_environ(self.scope, self.plan.threads > 1)
        environ["wsgi.input"] = BodyStream(self.next_piece)
        if self.collected >= 0:
            environ["CONTENT_LENGTH"] = str(self.collected)
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["bascule.client_disconnected"] = self.is_disconnected
        environ["waitress.client_disconnected"] = self.is_disconnected
        if "http.response.early_hint" in self.extensions():
            environ["wsgi.early_hints"] = self.early_hints
        return environ

    def extensions(self) -> Any:
        return self.scope.get("extensions") or {}

    def put_operation(self, operation: tuple[Any, ...]) -> None:
        self.outbox.append(operation)
        try:
            self.pool.post(self)
        except RuntimeError:
            # The loop is closed, and this call with it.
            self.disconnected = True

    def wait_until(self, is_reached: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until the loop has brought it about; False where it has not in that time."""
        if is_reached():
            return True
        event = threading.Event()
        self.waiters.append(event)
        try:
            while not is_reached():
                if not event.wait(timeout):
                    return is_reached()
                event.clear()
        finally:
            self.waiters.remove(event)
        return True

    # The request.

    def next_piece(self) -> bytes:
        """The next piece of the body, waiting for it; empty at the end. Raises
        ClientDisconnected."""
        while True:
            if self.inbox:
                return self.inbox.popleft()
            if self.body_ended:
                return b""
            self.check()
            self.is_asked = True
            self.put_operation((READ,))
            self.wait_until(self.has_news)
            self.is_asked = False

    def has_news(self) -> bool:
        return bool(self.inbox) or self.body_ended or self.is_over()

    def check(self) -> None:
        """Raises what the loop side has learnt: that the client is gone, or what the server
        refused."""
        if self.error is not None:
            raise self.error
        if self.disconnected:
            raise ClientDisconnected("the client has left")

    def is_disconnected(self) -> bool:
        """For the application: the client is gone."""
        if not self.has_watched and not self.disconnected:
            self.has_watched = True
            self.put_operation((WATCH,))
        return self.disconnected

    # The response.

    def start_response(
        self, status: str, headers: Iterable[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Any:
        """PEP 3333, "The start_response() Callable". Raises ResponseError for what HTTP does not
        allow."""
        if exc_info is not None:
            try:
                if self.head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status:
            raise ResponseError("start_response was called a second time without exc_info")
        # ASGI has no place for a reason phrase.
        code, _ = read_status(status)
        fields = []
        has_length = False
        for name, value in headers:
            encoded, data = encode_field(name, value)
            # ASGI wants names in lower case.
            lowered = encoded.lower()
            if lowered == b"content-length":
                has_length = True
            fields.append((lowered, data))
        self.status = code
        self.fields = fields
        self.has_length = has_length
        return self.write

    def write(self, data: bytes) -> None:
        """The `write()` callable that start_response returns."""
        self.put(data)

    def early_hints(self, headers: Iterable[tuple[str, str]]) -> None:
        """For the application: `wsgi.early_hints`. ASGI carries only Link fields, and
        browsers use no others."""
        links = links_of(headers)
        if links:
            self.put_messages([{"type": "http.response.early_hint", "links": links}], 0, False)

    def put_whole(self, data: bytes) -> None:
        """A result that is all here: its length is known."""
        self.check_piece(data)
        if not self.head_sent and (data or not self.is_head):
            self.announce(len(data))
        self.end(data)

    def walk(self, result: Iterable[bytes]) -> None:
        """Send the pieces of the result as they come."""
        iterator = iter(result)
        while not self.is_bodiless():
            data = next(iterator, END)
            if data is END:
                break
            self.put(data)
        self.end(b"")

    def is_bodiless(self) -> bool:
        """The response is complete with its head (RFC 9110 section 9.3.2): what the body would be
        may have no end."""
        return self.status != 0 and (self.is_head or self.status in FORBIDS_LENGTH)

    def put(self, data: bytes) -> None:
        """One piece of the body. Raises ClientDisconnected."""
        self.check_piece(data)
        if data:
            self.put_messages([*self.head(), self.body(data, True)], len(data), True)
            self.wait_until(self.may_write)
        else:
            # If all pieces are empty, nothing else would notice a disconnect.
            self.is_disconnected()
        self.check()

    def may_write(self) -> bool:
        return self.queued - self.written < RESPONSE_HIGH_WATER or self.is_over()

    def end(self, data: bytes) -> None:
        """The last piece. The loop is not woken yet: the end of the call, which does that, is
        next."""
        if self.status == 0:
            raise ResponseError("the application returned without calling start_response")
        self.outbox.append((SEND, [*self.head(), self.body(data, False)], 0, False))

    def put_file(self, wrapper: FileWrapper) -> bool:
        """Have the server send a real file; False where it cannot, or that is no real file."""
        extensions = self.extensions()
        file = kernel_file(wrapper.filelike)
        if file is None or self.status == 0 or self.head_sent or self.is_head:
            return False
        offset = file.tell()
        size = max(os.fstat(file.fileno()).st_size - offset, 0)
        count = min(self.declared_length(size), size)
        if "http.response.zerocopysend" in extensions:
            message = {
                "type": "http.response.zerocopysend",
                "file": file,
                "offset": offset,
                "count": count,
                "more_body": False,
            }
        else:
            path = path_of(file)
            if (
                "http.response.pathsend" not in extensions
                or path is None
                or offset
                or count < size
            ):
                return False
            message = {"type": "http.response.pathsend", "path": path}
        self.announce(count)
        # When this returns, the file is closed: that an empty one was sent must be seen too.
        self.put_messages([*self.head(), message], max(count, 1), False)
        self.wait_until(self.is_drained)
        return True

    def is_drained(self) -> bool:
        return self.ended or self.written == self.queued

    def declared_length(self, default: int) -> int:
        for name, value in self.fields:
            if name == b"content-length" and value.isdigit():
                return int(value)
        return default

    def announce(self, length: int) -> None:
        """State the length, where the application has not and HTTP allows it."""
        if not self.has_length and self.status not in FORBIDS_LENGTH:
            self.fields.append((b"content-length", b"%d" % length))

    def check_piece(self, data: bytes) -> None:
        if type(data) is not bytes:
            raise ResponseError(f"body piece is {type(data).__name__}, not bytes")
        if data and self.status == 0:
            raise ResponseError("body before start_response was called")

    def head(self) -> list[Message]:
        """http.response.start, the first time only."""
        if self.head_sent:
            return []
        self.head_sent = True
        return [{"type": "http.response.start", "status": self.status, "headers": self.fields}]

    def body(self, data: bytes, more: bool) -> Message:
        if self.is_head:
            data = b""
        return {"type": "http.response.body", "body": data, "more_body": more}

    def put_messages(self, messages: list[Message], size: int, is_streamed: bool) -> None:
        self.queued += size
        self.put_operation((SEND, messages, size, is_streamed))


def is_unsized(scope: Scope) -> bool:
    """The request may have a body that does not say its length. In HTTP/1 one is announced (RFC
    9112 section 6.3), later versions just send it."""
    names = {bytes(name).lower() for name, _ in scope["headers"]}
    if b"content-length" in names:
        return False
    if scope.get("http_version", "1.1").startswith("1"):
        return b"transfer-encoding" in names
    # A WebSocket's scope has no method, and no body.
    return scope.get("method", "GET") not in ("GET", "HEAD")


def says_left(error: Exception) -> bool:
    """How servers say that the client has left: by an OSError of their own (ASGI HTTP
    specification 2.4). An error with a number is about a file that was to be sent."""
    return isinstance(error, ConnectionError) or (
        isinstance(error, OSError) and error.errno is None
    )
