"""Calling a WSGI application (PEP 3333): what its requests and its WebSockets share.

    WsgiCaller        one application in one worker: threads, environs
    WsgiExchange      one call of it: start_response, write, the walk through the result
    ThreadedExchange  one in a thread of the pool, which brings what it sends to the loop

ThreadedExchange is cut along the thread boundary. Its thread side never touches the carrier: it
puts operations on `outbox`, and the loop side carries them out. Each number that both sides look
at is written by only one of them.
"""

import io
import logging
import os
import threading
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from bascule.errors import ClientDisconnected, ResponseError
from bascule.interfaces.environ import connection_environ, request_environ
from bascule.interfaces.exchange import (
    BODY_HIGH_WATER,
    Carrier,
    Endpoint,
    Exchange,
    Interface,
    WebSocketPlan,
)
from bascule.interfaces.threads import ThreadPool
from bascule.protocols.events import Request
from bascule.types import Environ, ExcInfo, WSGIApp
from bascule.wrapper import FileWrapper, kernel_file

logger = logging.getLogger("bascule.wsgi")

NO_LENGTH = -1
PLAIN_TEXT = [(b"content-type", b"text/plain; charset=utf-8")]
REMEMBERED = 1024

# Response octets a thread may be ahead of the client before it waits. The transport holds as much
# again.
RESPONSE_HIGH_WATER = 65536

# Status lines and field names of applications repeat; both are remembered as the engine wants
# them.
STATUSES: dict[str, tuple[int, bytes]] = {}
NAMES: dict[str, bytes] = {}

# Operations from a thread to the loop.
RESPOND = 0
SEND = 1
SEND_FILE = 2
INFORM = 3
READ_ON = 4
ABORT = 5
DONE = 6


class WsgiExchange(Exchange):
    """One request to a WSGI application. Subclasses say how what it sends reaches the carrier."""

    __slots__ = (
        "ended",
        "fields",
        "head_sent",
        "interface",
        "length",
        "reason",
        "result",
        "sent",
        "status",
    )

    def __init__(self, interface: "WsgiCaller", request: Request, carrier: Carrier) -> None:
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
        self.status = 0
        self.reason = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.length = NO_LENGTH
        self.sent = 0
        self.head_sent = False
        self.ended = False
        self.result: Result | None = None

    # How operations reach the carrier.

    def put_head(self, body: bytes, end: bool) -> None:
        """Send the head that start_response gave, with the first piece of the body."""
        raise NotImplementedError

    def put_data(self, data: bytes, end: bool) -> None:
        """Send a further piece; waits, or arranges to, while the client is slow."""
        raise NotImplementedError

    def put_file(self, file: Any, offset: int, count: int) -> None:
        """Send part of an open file as the rest of the body."""
        raise NotImplementedError

    def put_hint(self, fields: list[tuple[bytes, bytes]]) -> None:
        """Send 103 (Early Hints), RFC 8297."""
        raise NotImplementedError

    def put_abort(self) -> None:
        """Break the response off."""
        raise NotImplementedError

    # The call.

    def environ(self, body: Any) -> Environ:
        """The environ with `wsgi.input` reading from `body`."""
        interface = self.interface
        environ = request_environ(
            interface.environ_base(self.carrier.endpoint),
            self.request,
            interface.root_path,
            interface.mounted,
        )
        environ["wsgi.input"] = body
        environ["wsgi.early_hints"] = self.early_hints
        # The second is the name that Waitress gave it, and that applications look for.
        environ["bascule.client_disconnected"] = self.is_disconnected
        environ["waitress.client_disconnected"] = self.is_disconnected
        return environ

    def is_disconnected(self) -> bool:
        """For the application: the client is gone."""
        return self.finished_sending

    def early_hints(self, headers: Iterable[tuple[str, str]]) -> None:
        """For the application: `wsgi.early_hints`, interim headers for the client to act on
        now."""
        self.put_hint([encode_field(name, value) for name, value in headers])

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
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
        known = STATUSES.get(status)
        if known is None:
            known = learn_status(status)
        fields: list[tuple[bytes, bytes]] = []
        length = NO_LENGTH
        for name, value in headers:
            field = encode_field(name, value)
            if len(field[0]) == 14 and field[0].lower() == b"content-length":
                length = read_length(field[1])
            fields.append(field)
        self.status, self.reason = known
        self.fields = fields
        self.length = length
        return self.write

    def write(self, data: bytes) -> None:
        """The `write()` callable that start_response returns."""
        if type(data) is not bytes:
            raise ResponseError(f"write() was given {type(data).__name__}, not bytes")
        self.put(data)

    def call(self, body: Any) -> None:
        """Call the application and keep its result; sends at once what is whole."""
        result: Any = self.interface.app(self.environ(body), self.start_response)
        kind = type(result)
        if kind is list or kind is tuple:
            self.put_whole(result[0] if len(result) == 1 else join(result))
        else:
            self.result = Result(result)
            if kind is FileWrapper and self.put_wrapped(result):
                self.close_result()

    def put_whole(self, data: bytes) -> None:
        """A result that is all here: its length is known, and with it the framing."""
        if not self.head_sent and (self.length == NO_LENGTH or self.length == len(data)):
            self.check_piece(data)
            self.head_sent = self.ended = True
            self.put_head(data, True)
        elif data:
            self.put(data)

    def put(self, data: bytes) -> None:
        """One piece of the body."""
        self.check_piece(data)
        if self.ended:
            if data and self.request.method != "HEAD":
                raise ResponseError(f"body is longer than its Content-Length of {self.length}")
            return
        self.sent += len(data)
        # The client has everything now; it should not wait for the application to say that it
        # ends.
        end = self.sent == self.length
        self.ended = end
        if self.head_sent:
            self.put_data(data, end)
        else:
            self.head_sent = True
            self.put_head(data, end)

    def check_piece(self, data: bytes) -> None:
        if type(data) is not bytes:
            raise ResponseError(f"body piece is {type(data).__name__}, not bytes")
        if self.status == 0:
            raise ResponseError("body before start_response was called")

    def put_wrapped(self, wrapper: FileWrapper) -> bool:
        """Send a real file from the kernel; False when it is no real file."""
        file = kernel_file(wrapper.filelike)
        if file is None:
            return False
        if self.status == 0 or self.head_sent:
            return False
        raw = os.fdopen(os.dup(file.fileno()), "rb", buffering=0)
        try:
            offset = file.tell()
            count = max(os.fstat(raw.fileno()).st_size - offset, 0)
            if self.length == NO_LENGTH:
                self.fields.append((b"Content-Length", b"%d" % count))
            elif self.length < count:
                count = self.length
            self.head_sent = self.ended = True
            self.put_head(b"", False)
            self.put_file(raw, offset, count)
        except BaseException:
            raw.close()
            raise
        return True

    def walk(self) -> bool:
        """Send the pieces of the result; False when interrupted because the client is slow."""
        result = self.result
        if result is not None:
            for data in result:
                if data:
                    self.put(data)
                if self.must_pause():
                    return False
        if not self.ended:
            self.finish()
        return True

    def must_pause(self) -> bool:
        """Whether `walk` must give the thread back."""
        return False

    def finish(self) -> None:
        """The result has come to its end."""
        if self.status == 0:
            raise ResponseError("the application returned without calling start_response")
        self.ended = True
        if self.head_sent:
            self.put_data(b"", True)
        else:
            self.head_sent = True
            self.put_head(b"", True)

    def close_result(self) -> None:
        """PEP 3333: close() is called whatever happened."""
        result = self.result
        self.result = None
        if result is not None:
            try:
                close(result.iterable)
            except Exception as error:
                self.log("raised in close()", error)

    def fail(self, error: BaseException) -> None:
        """The application raised: 500 while nothing is out, else the response is broken off."""
        if isinstance(error, ClientDisconnected) and self.disconnected:
            return
        self.log("raised", error)
        if self.head_sent:
            if not self.ended:
                self.put_abort()
            return
        self.head_sent = self.ended = True
        self.status, self.reason, self.fields = 500, b"", PLAIN_TEXT
        self.put_head(b"Internal Server Error", True)

    def log(self, what: str, error: BaseException | None) -> None:
        path = self.request.path.decode("ascii", "backslashreplace")
        logger.error("WSGI application %s: %s %s", what, self.request.method, path, exc_info=error)


class ThreadedExchange(WsgiExchange):
    """An exchange whose application runs in a thread."""

    __slots__ = (
        "consumed",
        "error",
        "event",
        "outbox",
        "over",
        "pool",
        "queued",
        "received",
        "started",
        "written",
    )

    def __init__(self, interface: "WsgiCaller", request: Request, carrier: Carrier) -> None:
        super().__init__(interface, request, carrier)
        self.pool = interface.pool
        self.outbox: deque[tuple[Any, ...]] = deque()
        self.event: threading.Event | None = None
        self.error: ResponseError | None = None
        self.started = False
        self.over = False
        # Octets of the request body: received is written by the loop, consumed by the thread.
        self.received = 0
        self.consumed = 0
        # Octets of the response: queued is written by the thread, written by the loop.
        self.queued = 0
        self.written = 0

    # LOOP SIDE

    def start(self) -> None:
        """Hand over to a thread, but not before the body is here or is large: slow uploads occupy
        no thread.
        """
        if self.started:
            # The end of the body came first, in the same packet.
            return
        if self.body_ended or self.received >= BODY_HIGH_WATER or self.request.expects_continue:
            self.submit()

    def submit(self) -> None:
        self.started = True
        self.interface.running += 1
        if self.pool is not None:
            self.pool.submit(self)

    def receive_body(self, data: bytes) -> None:
        self.body.append(data)
        self.received += len(data)
        if self.received - self.consumed >= BODY_HIGH_WATER and not self.held:
            self.held = True
            self.carrier.hold_body()
        self.wake_thread()
        if not self.started and self.received >= BODY_HIGH_WATER:
            self.submit()

    def end_body(self, trailers: list[tuple[bytes, bytes]]) -> None:
        self.body_ended = True
        self.trailers = trailers
        self.wake_thread()
        if not self.started:
            self.submit()

    def tick(self) -> None:
        """A client that sends its body slowly gets a thread all the same, but never the last one
        while others are busy: that one is for requests that are here.
        """
        pool = self.pool
        running = self.interface.running - self.interface.sockets
        if self.started or self.disconnected or pool is None:
            return
        if running == 0 or running < pool.limit - 1:
            self.submit()

    def resume_writing(self) -> None:
        self.written = self.queued
        self.wake_thread()

    def wake_reader(self) -> None:
        self.wake_thread()

    def wake_thread(self) -> None:
        # The thread sets `event` before it looks at what it waits for; here it is the other way
        # round.
        event = self.event
        if event is not None:
            event.set()

    def flush(self) -> None:
        """Carry out what the thread has put on the outbox."""
        outbox = self.outbox
        while outbox:
            operation = outbox.popleft()
            try:
                self.carry_out(operation)
            except ResponseError as error:
                self.refuse(error)
        if self.over or self.disconnected or not self.is_congested():
            self.written = self.queued
            self.wake_thread()

    def is_congested(self) -> bool:
        """The client reads slower than the application writes."""
        return self.carrier.congested

    def carry_out(self, operation: tuple[Any, ...]) -> None:
        kind = operation[0]
        if kind == DONE:
            self.interface.running -= 1
        elif self.over or self.disconnected or self.error is not None:
            # The carrier is gone, or carries another exchange by now.
            if kind == SEND_FILE:
                operation[1].close()
        elif kind == RESPOND:
            self.over = operation[5]
            self.carrier.respond(
                operation[1], operation[3], operation[4], operation[5], operation[2]
            )
        elif kind == SEND:
            self.over = operation[2]
            self.carrier.send(operation[1], operation[2])
        elif kind == SEND_FILE:
            self.over = True
            self.carrier.send_file(operation[1], operation[2], operation[3], True)
        elif kind == INFORM:
            self.carrier.inform(103, operation[1])
        elif kind == READ_ON:
            self.held = False
            self.carrier.want_body()
        else:
            self.error = ResponseError("the response was broken off")
            self.carrier.abort()

    def refuse(self, error: ResponseError) -> None:
        """HTTP does not allow what the application sent; it learns of it at its next call, the log
        at once."""
        self.error = error
        self.log("sent what HTTP does not allow", error)
        try:
            self.carrier.respond(500, PLAIN_TEXT, b"Internal Server Error", True)
        except ResponseError:
            self.carrier.abort()
        self.wake_thread()

    # THREAD SIDE

    def run(self) -> None:
        """The whole life of the call, in a thread of the pool."""
        try:
            if self.body_ended and len(self.body) <= 1:
                body: Any = io.BytesIO(self.body[0] if self.body else b"")
            else:
                body = io.BufferedReader(BodyReader(self), BODY_HIGH_WATER)
            self.call(body)
            self.walk()
        except BaseException as error:
            self.fail(error)
        finally:
            self.close_result()
            self.end_call()

    def end_call(self) -> None:
        """The thread has nothing more to do with it."""
        self.put_operation((DONE,))

    def put_operation(self, operation: tuple[Any, ...]) -> None:
        self.outbox.append(operation)
        pool = self.pool
        if pool is not None:
            pool.post(self)

    def put_head(self, body: bytes, end: bool) -> None:
        self.queued += len(body)
        self.put_operation((RESPOND, self.status, self.reason, self.fields, body, end))
        if not end:
            self.wait_for_client()

    def put_data(self, data: bytes, end: bool) -> None:
        if self.error is not None:
            raise self.error
        if self.disconnected:
            self.check_connected()
        self.queued += len(data)
        self.put_operation((SEND, data, end))
        if not end:
            self.wait_for_client()

    def put_file(self, file: Any, offset: int, count: int) -> None:
        self.put_operation((SEND_FILE, file, offset, count))

    def put_hint(self, fields: list[tuple[bytes, bytes]]) -> None:
        self.put_operation((INFORM, fields))

    def put_abort(self) -> None:
        self.put_operation((ABORT,))

    def wait_for_client(self) -> None:
        """Wait while too much is queued. The connection's write deadline ends it at the latest."""
        while self.queued - self.written >= RESPONSE_HIGH_WATER and not self.disconnected:
            if self.error is not None:
                raise self.error
            event = self.armed_event()
            if self.queued - self.written >= RESPONSE_HIGH_WATER and not self.disconnected:
                event.wait()

    def armed_event(self) -> threading.Event:
        """The event that `wake_thread` sets. What is waited for must be looked at once more before
        waiting: it may have come just before."""
        event = self.event
        if event is None:
            event = self.event = threading.Event()
        event.clear()
        return event

    def next_piece(self) -> bytes:
        """The next piece of the body, waiting for it; b"" at its end. Raises
        ClientDisconnected."""
        while True:
            try:
                data = self.body.pop(0)
            except IndexError:
                if self.body_ended and not self.body:
                    return b""
                if self.disconnected:
                    self.check_connected()
                self.wait_for_body()
                continue
            self.consumed += len(data)
            if self.held:
                self.put_operation((READ_ON,))
            return data

    def wait_for_body(self) -> None:
        event = self.armed_event()
        if not self.body and not self.body_ended and not self.disconnected:
            if self.received == 0:
                # The first read is what answers 100-continue.
                self.put_operation((READ_ON,))
            event.wait()


def log_warning(kind: str, text: str) -> None:
    """Stands in for the hub's `warn`, which counts lines of a kind instead of repeating them."""
    logger.warning(text)


class WsgiCaller(Interface):
    """What calls one WSGI application: its threads, if it has any, and what its environs share.

    sockets: WebSocket handshakes and WebSockets that have a thread of `socket_pool`. warn: as the
    hub's. mounted: the path at which the application is, below `root_path`. beside: another
    application's, whose threads are this one's as well.
    """

    __slots__ = (
        "app",
        "loop",
        "mounted",
        "pool",
        "root_path",
        "socket_pool",
        "sockets",
        "warn",
    )

    def __init__(
        self,
        app: WSGIApp,
        loop: AbstractEventLoop,
        threads: int,
        root_path: str = "",
        websockets: WebSocketPlan | None = None,
        warn: Callable[[str, str], None] = log_warning,
        mounted: str = "",
        beside: "WsgiCaller | None" = None,
    ) -> None:
        self.running = self.switched = 0
        # On the loop's own thread nothing can wait for a message.
        self.websockets = websockets if threads else None
        self.warn = warn
        self.sockets = 0
        self.socket_pool: ThreadPool | None = None
        self.app = app
        self.loop = loop
        self.root_path = root_path
        # As environ has it: PEP 3333's text is UTF-8 read as latin-1.
        self.mounted = mounted.encode().decode("latin-1")
        self.pool: ThreadPool | None = None
        if beside is not None:
            self.pool = beside.pool
        elif threads:
            self.pool = ThreadPool(threads, loop)

    def environ_base(self, endpoint: Endpoint) -> Environ:
        """What is the same for every request of a connection, made at its first."""
        base = endpoint.environ
        if base is None:
            base = endpoint.environ = connection_environ(endpoint, self.pool is not None)
        return base

    def socket_threads(self) -> ThreadPool | None:
        """The threads of WebSockets."""
        if self.socket_pool is None and self.websockets is not None:
            self.socket_pool = ThreadPool(self.websockets.threads, self.loop, "bascule-websocket")
        return self.socket_pool

    def close(self) -> None:
        for pool in (self.pool, self.socket_pool):
            if pool is not None:
                pool.close()


class Result:
    """What the application returned: its iterator, and its close() to be called."""

    __slots__ = ("iterable", "iterator")

    def __init__(self, iterable: Iterable[bytes]) -> None:
        self.iterable = iterable
        self.iterator: Iterator[bytes] | None = None

    def __iter__(self) -> "Result":
        # Not at once: what cannot be iterated has a close() all the same.
        if self.iterator is None:
            self.iterator = iter(self.iterable)
        return self

    def __next__(self) -> bytes:
        return next(self.iterator)  # type: ignore[arg-type]  # __iter__ has been called


class BodyReader(io.RawIOBase):
    """`wsgi.input` of a body that is still arriving; io.BufferedReader around it does the lines
    and sizes."""

    def __init__(self, exchange: ThreadedExchange) -> None:
        self.exchange = exchange
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for the next piece and copy what fits. Raises ClientDisconnected."""
        data = self.rest or self.exchange.next_piece()
        size = min(len(data), len(buffer))
        buffer[:size] = data[:size]
        self.rest = data[size:]
        return size


def join(pieces: Iterable[bytes]) -> bytes:
    """The pieces of a list as one. Raises ResponseError."""
    try:
        return b"".join(pieces)
    except TypeError as error:
        raise ResponseError(f"body pieces must be bytes: {error}") from None


def close(iterable: object) -> None:
    closer = getattr(iterable, "close", None)
    if closer is not None:
        closer()


def learn_status(status: str) -> tuple[int, bytes]:
    """Take "200 OK" apart; the usual reason phrase is left to the engine. Raises ResponseError."""
    if not isinstance(status, str):
        raise ResponseError(f"status is {type(status).__name__}, not a string such as '200 OK'")
    code, _, reason = status.partition(" ")
    if not (len(code) == 3 and code.isascii() and code.isdigit()):
        raise ResponseError(f"status {status!r} does not begin with three digits")
    try:
        known = (int(code), own_reason(int(code), reason.strip()).encode("latin-1"))
    except UnicodeEncodeError:
        raise ResponseError(f"status {status!r} is not latin-1") from None
    if len(STATUSES) < REMEMBERED:
        STATUSES[status] = known
    return known


def own_reason(code: int, reason: str) -> str:
    """The reason phrase, or nothing when it is the one that the status code has anyway."""
    try:
        return "" if HTTPStatus(code).phrase == reason else reason
    except ValueError:
        return reason


def encode_field(name: str, value: str) -> tuple[bytes, bytes]:
    """A header as the engine wants it. Raises ResponseError."""
    encoded = NAMES.get(name)
    try:
        if encoded is None:
            encoded = name.encode("latin-1")
            if len(NAMES) < REMEMBERED:
                NAMES[name] = encoded
        data = value.encode("latin-1")
    except (AttributeError, UnicodeEncodeError):
        raise ResponseError(f"header {name!r}: {value!r} is not latin-1 text") from None
    if 10 in data or 13 in data or 0 in data:
        raise ResponseError(f"value of header {name!r} has a line break or a NUL: {value!r}")
    return encoded, data


def read_length(value: bytes) -> int:
    """The declared length, for knowing when the body is complete; the engine judges malformed
    ones."""
    return int(value) if value.isdigit() and len(value) < 19 else NO_LENGTH
