"""One request of an ASGI application that is called for a WSGI server.

    LoopCall     one request: cut along the thread boundary
    Response     the iterable that the server gets

The calling thread waits on `events` for work: to read the body, to send a piece of the response.
The application waits only on the loop. Its `send` waits while the server is behind, its `receive`
while the thread reads `wsgi.input`.
"""

import os
from asyncio import CancelledError, Future
from collections.abc import Iterable, Iterator
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

from bascule.adapters.background import Background
from bascule.errors import ClientDisconnected, ResponseError
from bascule.interfaces.leaving import forget_frames, is_disconnect
from bascule.pep3333 import status_line
from bascule.types import Environ, Message, Scope, StartResponse

INPUT_PIECE = 65536

# Bytes an application may be ahead of the server before `send` waits: two usual pieces, so that
# the next is made while one leaves.
RESPONSE_HIGH_WATER = 131072

# Pieces of a body that no client gets which an application may send before `send` raises. Most
# applications end by themselves, and have work to do behind the response; some would never end.
DROPPED_PIECES = 64

# Events for the calling thread.
HEAD = 0
DATA = 1
FILE = 2
READ = 3
HINT = 4
END = 5

# PEP 3333, "Other HTTP Features": applications may not send them.
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)


class LoopCall:
    """One request to the ASGI application.

    disconnected: the client has left.
    completed: the application has sent all of its response.
    abandoned: the server has closed the response, so there is no thread that would take events.
    """

    def __init__(self, background: Background, environ: Environ, scope: Scope) -> None:
        self.background = background
        self.loop = background.loop
        self.environ = environ
        self.scope = scope
        self.context = copy_context()
        self.events: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        # Loop side.
        self.receivers: list[Future[None]] = []
        self.senders: list[Future[None]] = []
        self.body: list[bytes] = []
        self.body_ended = has_no_body(environ)
        self.end_told = False
        self.is_reading = False
        self.disconnected = False
        self.completed = False
        self.abandoned = False
        self.head: Message | None = None
        self.has_body = False
        self.queued = 0
        self.is_head = environ.get("REQUEST_METHOD") == "HEAD"
        self.dropped = 0
        # Thread side.
        self.left = body_length(environ)
        self.taken = 0
        self.is_over = False

    # LOOP SIDE

    def start(self) -> None:
        """Call the application in a task of its own."""
        self.background.begin_task(self.run(), self.context)

    async def run(self) -> None:
        """The whole life of the call on the loop."""
        error: BaseException | None = None
        self.background.note_begun()
        try:
            await self.background.app(self.scope, self.receive, self.send)
            error = self.judge_return()
        except CancelledError as cancelled:
            error = ResponseError("the application was cancelled")
            error.__cause__ = cancelled
            raise
        except Exception as raised:
            error = raised
        except BaseException as raised:
            # SystemExit would end the loop, and with it all the other calls.
            error = RuntimeError(f"the ASGI application raised {type(raised).__name__}")
            error.__cause__ = raised
        finally:
            self.conclude(error)
            # It has this frame in its traceback.
            error = None

    def judge_return(self) -> ResponseError | None:
        """Return the error of an application that returned too early, or None."""
        if self.completed or self.disconnected:
            return None
        if self.head is None:
            return ResponseError("the application returned without a response")
        return ResponseError("the application returned before its response was complete")

    def conclude(self, error: BaseException | None) -> None:
        """The application is done."""
        if self.disconnected and is_disconnect(error):
            # The application let the OSError of `send` end it, which is the usual way to stop.
            forget_frames(error)
            error = None
        if not (self.completed or self.abandoned):
            self.completed = True
            self.events.put((END, error))
        elif error is not None:
            self.loop.call_exception_handler(
                {
                    "message": "ASGI application raised when its response was over",
                    "exception": error,
                }
            )

    async def receive(self) -> Message:
        """ASGI `receive`."""
        while True:
            if self.body:
                self.end_told = self.body_ended
                return {
                    "type": "http.request",
                    "body": self.body.pop(0),
                    "more_body": not self.body_ended,
                }
            if self.disconnected or self.completed:
                return {"type": "http.disconnect"}
            if self.body_ended and not self.end_told:
                self.end_told = True
                return {"type": "http.request", "body": b"", "more_body": False}
            if not self.body_ended and not self.is_reading:
                self.is_reading = True
                self.events.put((READ,))
            await self.wait(self.receivers)

    async def wait(self, waiters: "list[Future[None]]") -> None:
        waiter = self.loop.create_future()
        waiters.append(waiter)
        await waiter

    def deliver(self, data: bytes | None, ended: bool) -> None:
        """Take a piece of the body that the thread has read; None means that reading failed."""
        self.is_reading = False
        if data is None:
            self.disconnect()
            return
        if data:
            self.body.append(data)
        self.body_ended = ended
        wake(self.receivers)

    def disconnect(self) -> None:
        """The client has left."""
        self.disconnected = True
        wake(self.receivers)
        wake(self.senders)

    def abandon(self) -> None:
        """Note that the client has left, and that the thread takes no more events."""
        self.abandoned = True
        self.disconnect()

    def resume(self) -> None:
        """The server has taken something."""
        wake(self.senders)

    async def send(self, message: Message) -> None:
        """ASGI `send`. Raises ClientDisconnected."""
        kind = message["type"]
        if self.disconnected and not self.completed:
            raise ClientDisconnected("the client has left")
        if kind == "http.response.start" and self.head is None:
            self.head = message
            self.events.put((HEAD, message))
            if self.is_head:
                # It is all there is (RFC 9110 section 9.3.2), and the thread does not wait for
                # more.
                self.completed = True
                wake(self.receivers)
        elif kind == "http.response.body" and self.is_head and self.head is not None:
            self.drop(len(message.get("body", b"")), message.get("more_body", False))
        elif kind == "http.response.pathsend" and self.is_head and self.head is not None:
            self.drop(0, False)
        elif kind == "http.response.body" and self.head is not None and not self.completed:
            await self.send_body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.pathsend" and self.may_send_path():
            # The thread closes it.
            file = open(message["path"], "rb")  # noqa: SIM115
            self.completed = True
            self.events.put((FILE, file))
            wake(self.receivers)
        elif kind == "http.response.early_hint" and self.head is None:
            self.events.put((HINT, message.get("links", ())))
        elif kind != "http.response.trailers" or self.head is None:
            raise RuntimeError(f"{kind!r} is not expected {self.progress()}")

    def drop(self, size: int, more: bool) -> None:
        """A piece of the body of a response to HEAD."""
        self.dropped += 1
        self.queued += size
        if more and (self.dropped >= DROPPED_PIECES or self.queued >= RESPONSE_HIGH_WATER):
            self.disconnected = True
            raise ClientDisconnected("a response to HEAD has no body, and is complete")

    def may_send_path(self) -> bool:
        return self.head is not None and not self.completed and not self.has_body

    def progress(self) -> str:
        if self.completed:
            return "after the response was complete"
        return "after http.response.start" if self.head else "before http.response.start"

    async def send_body(self, data: bytes, more: bool) -> None:
        self.has_body = True
        self.queued += len(data)
        self.events.put((DATA, data, not more))
        if not more:
            self.completed = True
            wake(self.receivers)
            return
        while self.is_ahead():
            # It waits in the list before it looks once more: the thread takes a piece first, and
            # then looks who waits.
            waiter = self.loop.create_future()
            self.senders.append(waiter)
            if self.is_ahead():
                await waiter
        if self.disconnected:
            raise ClientDisconnected("the client has left")

    def is_ahead(self) -> bool:
        return not self.disconnected and self.queued - self.taken >= RESPONSE_HIGH_WATER

    # THREAD SIDE

    def begin(self, start_response: StartResponse) -> Iterable[bytes]:
        """Have the application called, and return its response. Raises what it raised."""
        self.background.submit(self.start)
        try:
            return self.answer(start_response)
        except BaseException:
            # The application may be waiting for this thread.
            self.leave()
            raise

    def answer(self, start_response: StartResponse) -> Iterable[bytes]:
        """Wait for the beginning of the response, and give it to the server."""
        head: Message = {}
        while True:
            event = self.next_event()
            kind = event[0]
            if kind == HEAD:
                head = event[1]
                if self.is_head:
                    self.is_over = True
                    start_response(status_line(head["status"]), text_fields(head))
                    return []
            elif kind == HINT:
                hint = self.environ["wsgi.early_hints"]
                hint([("Link", link.decode("latin-1")) for link in event[1]])
            elif kind == END:
                self.is_over = True
                raise event[1] or ClientDisconnected("the client has left")
            elif kind == FILE:
                self.is_over = True
                return self.answer_file(start_response, head, event[1])
            else:
                break
        start_response(status_line(head["status"]), text_fields(head))
        if event[2]:
            self.is_over = True
            return [event[1]]
        return Response(self, event[1])

    def tell(self, callback: Any, *arguments: Any) -> None:
        """Call `callback` on the loop."""
        self.loop.call_soon_threadsafe(callback, *arguments)

    def next_event(self) -> tuple[Any, ...]:
        """Return the next event of the response. Requests to read the body are carried out
        meanwhile."""
        while True:
            event = self.events.get()
            if event[0] != READ:
                return event
            self.read_on()

    def read_on(self) -> None:
        """Read a piece of the body for the application."""
        try:
            data = self.read_piece()
        except Exception:
            # Servers raise different errors; in each case the rest of the body does not come.
            data = None
        ended = self.left == 0 or (data == b"" and self.left is None)
        if data == b"" and not ended:
            data = None
        self.tell(self.deliver, data, ended)

    def read_piece(self) -> bytes | None:
        if self.left == 0:
            return b""
        body = self.environ["wsgi.input"]
        # read() would wait until there is as much as it was asked for.
        read = getattr(body, "read1", body.read)
        data: bytes = read(INPUT_PIECE if self.left is None else min(INPUT_PIECE, self.left))
        if self.left is not None:
            self.left -= len(data)
        return data

    def answer_file(
        self, start_response: StartResponse, head: Message, file: Any
    ) -> Iterable[bytes]:
        """Leave the file to the server."""
        try:
            fields = text_fields(head)
            if not any(name.lower() == "content-length" for name, _ in fields):
                fields.append(("content-length", str(os.fstat(file.fileno()).st_size)))
            start_response(status_line(head["status"]), fields)
            wrapped: Iterable[bytes] = self.environ["wsgi.file_wrapper"](file, INPUT_PIECE)
        except BaseException:
            file.close()
            raise
        return wrapped

    def next_data(self) -> bytes | None:
        """The next piece of the response; None at the end. Raises what the application raised."""
        while not self.is_over:
            event = self.next_event()
            if event[0] == DATA:
                self.is_over = event[2]
                self.take(len(event[1]))
                if event[1]:
                    data: bytes = event[1]
                    return data
            elif event[0] == END:
                self.is_over = True
                if event[1] is not None:
                    raise event[1]
        return None

    def take(self, size: int) -> None:
        self.taken += size
        if self.senders:
            self.tell(self.resume)

    def leave(self) -> None:
        """Note that the server takes no more of the response."""
        if not self.is_over:
            self.is_over = True
            try:
                self.tell(self.abandon)
            except RuntimeError:
                # The loop has been closed, and has cancelled the call before that.
                pass


class Response:
    """The pieces of a response, for the server."""

    def __init__(self, call: LoopCall, first: bytes) -> None:
        self._call = call
        self._first: bytes | None = first

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        call = self._call
        first = self._first
        if first is not None:
            self._first = None
            call.take(len(first))
            if first:
                return first
        data = call.next_data()
        if data is None:
            raise StopIteration
        return data

    def close(self) -> None:
        """PEP 3333: called whatever happened, and early where the client has left."""
        self._call.leave()


def body_length(environ: Environ) -> int | None:
    """Return the length of the body; None if it is read up to its end."""
    length = environ.get("CONTENT_LENGTH")
    if length:
        return int(length)
    return None if environ.get("wsgi.input_terminated") else 0


def has_no_body(environ: Environ) -> bool:
    """Return whether there certainly is no body: HTTP/1 announces one (RFC 9112 section 6)."""
    return (
        not environ.get("CONTENT_LENGTH")
        and "HTTP_TRANSFER_ENCODING" not in environ
        and environ.get("SERVER_PROTOCOL", "").startswith("HTTP/1")
    )


def text_fields(head: Message) -> list[tuple[str, str]]:
    """Return the header fields, without the fields that PEP 3333 leaves to the server."""
    return [
        (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
        for name, value in head.get("headers", ())
        if bytes(name).lower() not in HOP_BY_HOP
    ]


def wake(waiters: "list[Future[None]]") -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()
