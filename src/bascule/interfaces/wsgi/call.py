"""Calling a WSGI application (PEP 3333): the part that all calls share.

    WsgiCaller    one application in one worker: threads, environs
    WsgiExchange  one call of it: start_response, write, the walk through the result

Calls in threads are in threaded.py, calls on the loop's thread in inline.py.
"""

import logging
import os
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter, sleep
from typing import Any

from bascule.errors import ClientDisconnected, ResponseError
from bascule.interfaces.answers import TRY_AGAIN
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import (
    FORSAKEN_AFTER,
    Carrier,
    Exchange,
    Interface,
)
from bascule.interfaces.responding import RespondingExchange
from bascule.interfaces.response_states import BROKEN, COMPLETE, HEAD_KEPT, IDLE, SENDING
from bascule.interfaces.stopping import Stopping
from bascule.interfaces.wsgi.body import BodyBuffer
from bascule.interfaces.wsgi.environ import connection_environ, request_environ
from bascule.interfaces.wsgi.plan import WsgiPlan
from bascule.interfaces.wsgi.pool import ThreadPool
from bascule.pep3333 import FileWrapper, close, encode_field, join, kernel_file, read_status
from bascule.protocols.events import Request
from bascule.protocols.headers import NO_LENGTH, parse_length
from bascule.types import Environ, ExcInfo, WSGIApp

logger = logging.getLogger("bascule.wsgi")

# In the environ where the project has an ASGI side, and with it WebSockets, for views to check.
BESIDE_ASGI = "bascule.hybrid"
# Follows the last piece of a result.
END: Any = object()
LIST_ITERATOR: type = type(iter([]))
# Keys that `WsgiExchange.environ` has values for. A lookup by the same object as in the dictionary
# is cheaper than one by an equal text, so this module puts the keys into the common part.
OF_CALLS = (
    "wsgi.input",
    "wsgi.early_hints",
    "bascule.client_disconnected",
    "waitress.client_disconnected",
    "bascule.queue_time",
)
WAITED_TOO_LONG = b"the request has waited for too long\n"
TOO_MANY_WAIT = b"too many requests are waiting\n"
# Empty pieces that are taken after a complete body, so that the code after them runs.
MOST_EMPTY = 16


class WsgiExchange(RespondingExchange):
    """One request to a WSGI application. Subclasses bring what it sends to the carrier.

    stage: how far the application is with the response, in the states of response_states.py. It is
        written where the application runs, and `state` follows it on the loop's thread.
    queued_at: when the request was ready to be run, in seconds of `perf_counter`.
    quiet_since: when the first of the latest empty pieces came, while the client has closed its
        side; 0 otherwise.
    surplus: the number of empty pieces after a complete body.
    """

    __slots__ = (
        "fields",
        "interface",
        "length",
        "queued_at",
        "quiet_since",
        "reason",
        "result",
        "sent",
        "stage",
        "status",
        "surplus",
    )

    called_by = "WSGI"

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
        self.arrived_at = 0.0
        self.waited = 0.0
        self.status = 0
        self.reason = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.length = NO_LENGTH
        self.sent = 0
        self.state = self.stage = IDLE
        self.result: ResultIterator | None = None
        self.queued_at = 0.0
        self.quiet_since = 0.0
        self.surplus = 0

    # How operations reach the carrier.

    def put_head(self, body: bytes, end: bool) -> None:
        """Send the head that start_response gave, with the first piece of the body."""
        raise NotImplementedError

    def put_data(self, data: bytes, end: bool) -> None:
        """Send a further piece; wait, or arrange to, while the client is slow."""
        raise NotImplementedError

    def put_file(self, file: Any, offset: int, count: int) -> None:
        """Send part of an open file as the rest of the body."""
        raise NotImplementedError

    def put_hint(self, fields: list[tuple[bytes, bytes]]) -> None:
        """Send 103 (Early Hints), RFC 8297."""
        raise NotImplementedError

    def put_abort(self) -> None:
        """Abort the response."""
        raise NotImplementedError

    def put_failure(self) -> None:
        """Finish the response for an application that will not complete it: see `give_up`."""
        raise NotImplementedError

    # The call.

    def environ(self, body: Any) -> Environ:
        """Return the environ with `wsgi.input` reading from `body`."""
        interface = self.interface
        request = self.request
        environ = request_environ(
            interface.environ_base(self.ends()), request, interface.root_path, interface.mounted
        )
        environ["wsgi.input"] = body
        if self.body_ended and request.content_length < 0 and not request.ended:
            # The body came without a length, and was collected (body.py).
            environ["CONTENT_LENGTH"] = str(self.body_size)
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["wsgi.early_hints"] = self.early_hints
        # The second name is Waitress's, which applications know.
        is_disconnected = self.is_disconnected
        environ["bascule.client_disconnected"] = is_disconnected
        environ["waitress.client_disconnected"] = is_disconnected
        environ["bascule.queue_time"] = self.waited
        if interface.beside_asgi:
            environ[BESIDE_ASGI] = True
        return environ

    def is_disconnected(self) -> bool:
        """Return whether the client is gone, for the application."""
        return self.finished_sending

    def early_hints(self, headers: Iterable[tuple[str, str]]) -> None:
        """Send interim headers for the client to act on now; the application's
        `wsgi.early_hints`."""
        self.put_hint([encode_field(name, value) for name, value in headers])

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Any:
        """Keep the head of the response (PEP 3333, "The start_response() Callable"). Raises
        ResponseError for a head that HTTP does not allow."""
        if exc_info is not None:
            try:
                if self.stage >= SENDING:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.stage != IDLE:
            raise ResponseError("start_response was called a second time without exc_info")
        self.keep_head(status, headers)
        return self.write

    def keep_head(self, status: str, headers: Iterable[tuple[str, str]]) -> None:
        """Keep the head of the response as bytes."""
        known = read_status(status)
        fields: list[tuple[bytes, bytes]] = []
        length = NO_LENGTH
        for name, value in headers:
            field = encode_field(name, value)
            encoded = field[0]
            if len(encoded) == 14 and encoded.lower() == b"content-length":
                # The engine refuses a malformed one.
                length = parse_length(field[1])
            fields.append(field)
        self.status, self.reason = known
        self.fields = fields
        self.length = length
        self.stage = HEAD_KEPT

    def write(self, data: bytes) -> None:
        """Send a piece of the body; the `write()` callable that start_response returns."""
        if type(data) is not bytes:
            raise ResponseError(f"write() was given {type(data).__name__}, not bytes")
        self.put(data)

    def call(self, body: Any) -> None:
        """Call the application and keep its result; send a result that is whole at once."""
        result = self.invoke(self.environ(body))
        kind = type(result)
        if kind is list or kind is tuple:
            self.put_whole(result[0] if len(result) == 1 else join(result))
        else:
            self.result = ResultIterator(result)
            if kind is FileWrapper and self.put_wrapped(result):
                self.close_result()

    def invoke(self, environ: Environ) -> Any:
        """Return the application's result."""
        return self.interface.app(environ, self.start_response)

    def pull(self, result: "ResultIterator") -> Any:
        """Return the next piece of the result, or END."""
        return result.advance()

    def put_whole(self, data: bytes) -> None:
        """Send a whole result: its length is known, and with it the framing."""
        if self.stage < SENDING and (self.length == NO_LENGTH or self.length == len(data)):
            self.check_piece(data)
            self.stage = COMPLETE
            self.put_head(data, True)
        elif data:
            self.put(data)

    def put(self, data: bytes) -> None:
        """Send one piece of the body."""
        self.check_piece(data)
        stage = self.stage
        if stage >= COMPLETE:
            if data and self.request.method != "HEAD":
                raise ResponseError(f"body is longer than its Content-Length of {self.length}")
            return
        self.sent += len(data)
        # With its last byte the response ends: the client should not wait until the application
        # returns.
        end = self.sent == self.length
        self.stage = COMPLETE if end else SENDING
        if stage == SENDING:
            self.put_data(data, end)
        else:
            self.put_head(data, end)

    def check_piece(self, data: bytes) -> None:
        if type(data) is not bytes:
            raise ResponseError(f"body piece is {type(data).__name__}, not bytes")
        if self.stage == IDLE:
            raise ResponseError("body before start_response was called")

    def put_wrapped(self, wrapper: FileWrapper) -> bool:
        """Have the kernel send a file; False when the wrapped object is no real file."""
        file = kernel_file(wrapper.filelike)
        if file is None:
            return False
        if self.stage != HEAD_KEPT:
            return False
        raw = os.fdopen(os.dup(file.fileno()), "rb", buffering=0)
        try:
            offset = file.tell()
            count = max(os.fstat(raw.fileno()).st_size - offset, 0)
            if self.length == NO_LENGTH:
                # A 304 has only the length that the application gives (RFC 9110 section 8.6).
                if self.status != 304:
                    self.fields.append((b"Content-Length", b"%d" % count))
            elif self.length < count:
                count = self.length
            self.stage = SENDING
            self.put_head(b"", False)
            self.stage = COMPLETE
            self.put_file(raw, offset, count)
        except BaseException:
            raw.close()
            raise
        return True

    def walk(self) -> bool:
        """Send the pieces of the result; False when interrupted because the client is slow."""
        result = self.result
        if result is not None:
            while not self.is_bodiless():
                data = self.pull(result)
                if data is END:
                    break
                if data:
                    self.put(data)
                    self.quiet_since = 0.0
                elif self.stage >= COMPLETE:
                    self.surplus += 1
                    if self.surplus == MOST_EMPTY:
                        break
                elif self.is_forsaken():
                    self.stage = BROKEN
                    self.put_abort()
                    break
                if self.must_pause():
                    return False
        if self.stage < COMPLETE:
            if result is not None and type(result.iterable) is LIST_ITERATOR:
                self.drop(result)
            if self.stage < COMPLETE:
                self.complete()
        return True

    def drop(self, result: "ResultIterator") -> None:
        """Send the first piece of a body that is in memory after a head that forbids a body, so
        that the log names it. Other iterables may never end, or never begin."""
        data = self.pull(result)
        if data is not END and data and self.request.method != "HEAD":
            self.put(data)

    def is_bodiless(self) -> bool:
        """Return whether the response is known to be complete with its head (RFC 9110 section
        9.3.2, RFC 9112 section 6.3). The iterable of its body may have no end, so it is not
        iterated."""
        status = self.status
        return status != 0 and (status == 204 or status == 304 or self.request.method == "HEAD")

    def is_forsaken(self) -> bool:
        """Return whether the client seems to be gone, after an empty piece. Raises
        ClientDisconnected."""
        # The loop's thread must run to notice a disconnect. When this code is compiled, and the
        # iterator is written in C, the interpreter switches threads at no other point.
        sleep(0)
        if self.disconnected:
            self.check_connected()
        if not self.finished_sending:
            return False
        now = perf_counter()
        if self.quiet_since == 0.0:
            self.quiet_since = now
        return now - self.quiet_since >= FORSAKEN_AFTER

    def must_pause(self) -> bool:
        """Return whether `walk` must give the thread back."""
        return False

    def complete(self) -> None:
        """End the response: the result has no further piece."""
        stage = self.stage
        if stage == IDLE:
            raise ResponseError("the application returned without calling start_response")
        self.stage = COMPLETE
        if stage == SENDING:
            self.put_data(b"", True)
        else:
            self.put_head(b"", True)

    def close_result(self) -> None:
        """Call close() of the result, as PEP 3333 demands in all cases."""
        result = self.result
        self.result = None
        if result is not None:
            try:
                close(result.iterable)
            except BaseException as error:
                # SystemExit as well: it would end the thread, and with `--threads 0` the loop.
                self.log("raised in close()", error)

    def fail(self, error: BaseException) -> None:
        """Log what the application raised, and finish the response for it."""
        if isinstance(error, ClientDisconnected) and self.disconnected:
            return
        try:
            self.log("raised", error)
        finally:
            stage = self.stage
            if stage < COMPLETE:
                if stage < SENDING:
                    self.status = 500
                self.stage = BROKEN
                self.put_failure()

    def log(self, what: str, error: BaseException | None) -> None:
        path = self.request.path.decode("ascii", "backslashreplace")
        logger.error("WSGI application %s: %s %s", what, self.request.method, path, exc_info=error)


def log_warning(kind: str, text: str) -> None:
    """Stand in for the hub's `warn`, which counts lines of a kind instead of repeating them."""
    logger.warning(text)


class WsgiCaller(Interface):
    """Calls one WSGI application: has its threads, if any, and what its environs share.

    The choices of the plan are attributes here, under the same names.

    body_buffer: for bodies without Content-Length.
    stopping: whether the server stops, for the application.
    sockets: WebSocket handshakes and WebSockets that have a thread of `socket_pool`.
    warn: as the hub's.
    mounted: the path at which the application is, below `root_path`.
    beside: the caller of another application, which shares its threads with this one.
    """

    __slots__ = (
        "app",
        "beside_asgi",
        "body_buffer",
        "loop",
        "mounted",
        "multiprocess",
        "pool",
        "queue_limit",
        "queue_timeout",
        "root_path",
        "socket_pool",
        "sockets",
        "stopping",
        "warn",
    )

    def __init__(
        self,
        app: WSGIApp,
        loop: AbstractEventLoop,
        plan: WsgiPlan,
        stopping: Stopping | None = None,
        warn: Callable[[str, str], None] = log_warning,
        mounted: str = "",
        beside: "WsgiCaller | None" = None,
    ) -> None:
        self.running = self.switched = self.deserted = 0
        # On the loop's own thread nothing can wait for a message.
        self.websockets = plan.websockets if plan.threads else None
        self.warn = warn
        self.queue_timeout = plan.queue_timeout
        self.queue_limit = plan.queue_limit
        self.body_buffer = BodyBuffer(app, plan.body_limit, plan.body_patience)
        self.stopping = (stopping or Stopping()).event
        self.multiprocess = plan.multiprocess
        self.beside_asgi = plan.beside_asgi
        self.sockets = 0
        self.socket_pool: ThreadPool | None = None
        self.app = app
        self.loop = loop
        self.root_path = plan.root_path
        # As environ has it: PEP 3333's text is UTF-8 read as latin-1.
        self.mounted = mounted.encode().decode("latin-1")
        self.pool: ThreadPool | None = None
        if beside is not None:
            self.pool = beside.pool
        elif plan.threads:
            self.pool = ThreadPool(plan.threads, loop)

    def environ_base(self, endpoint: Endpoint) -> Environ:
        """Return the part of the environ that all requests of a connection share; made for the
        first of them."""
        base = endpoint.environ
        if base is None:
            base = endpoint.environ = connection_environ(
                endpoint, self.pool is not None, self.multiprocess
            )
            base["bascule.stopping"] = self.stopping
            for key in OF_CALLS:
                base[key] = None
        return base

    def has_busy_threads(self) -> bool:
        return self.pool is not None and self.running > 0

    def socket_threads(self) -> ThreadPool | None:
        """Return the threads for WebSockets."""
        if self.socket_pool is None and self.websockets is not None:
            self.socket_pool = ThreadPool(self.websockets.threads, self.loop, "bascule-websocket")
        return self.socket_pool

    def calls(self) -> list[Exchange]:
        pools = (self.pool, self.socket_pool)
        found: list[Any] = [call for one in pools if one is not None for call in one.all_calls()]
        # The threads may be those of several applications.
        return [call for call in found if call.interface is self]

    def shed(self, exchange: WsgiExchange) -> None:
        """Answer with 503 a request that has waited too long."""
        self.warn(
            "queue",
            f"a request waited for more than {self.queue_timeout:g} s to be run: answered 503 "
            "(--queue-timeout)",
        )
        exchange.answer(503, TRY_AGAIN, WAITED_TOO_LONG)

    def turn_away(self, exchange: WsgiExchange) -> None:
        """Answer with 503 a request that would have to wait behind too many."""
        self.warn(
            "queue limit",
            f"{self.queue_limit} requests are waiting: another one was answered with 503 "
            "(--limit-queue)",
        )
        exchange.answer(503, TRY_AGAIN, TOO_MANY_WAIT)

    def close(self) -> None:
        for pool in (self.pool, self.socket_pool):
            if pool is not None:
                pool.close()


class ResultIterator:
    """An application's result: its iterator, and the close() to call."""

    __slots__ = ("iterable", "iterator")

    def __init__(self, iterable: Iterable[bytes]) -> None:
        self.iterable = iterable
        self.iterator: Iterator[bytes] | None = None

    def advance(self) -> Any:
        """Return the next piece, or END."""
        if self.iterator is None:
            # Not made at once: a result that cannot be iterated may have a close() all the same.
            self.iterator = iter(self.iterable)
        return next(self.iterator, END)
