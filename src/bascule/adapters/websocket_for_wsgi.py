"""`environ["wsgi.websocket"]` over ASGI: the same object as under Bascule's WSGI side.

Its behaviour is that of `bascule.interfaces.wsgi.websocket_object.WebSocket`, which this puts on
the messages of ASGI. ASGI has no messages for pings, nor for a close code when the server stops:
these two are left out.
"""

import io
from collections import deque
from typing import Any

from bascule.adapters.threaded_call import (
    READ,
    SEND,
    WATCH,
    Places,
    ThreadedCall,
    WSGIPlan,
)
from bascule.errors import ResponseError
from bascule.interfaces.session import ABNORMAL_CLOSURE, NO_STATUS, NORMAL_CLOSURE, SERVICE_RESTART
from bascule.interfaces.wsgi.operations import BINARY, TEXT
from bascule.interfaces.wsgi.pool import ThreadPool
from bascule.interfaces.wsgi.websocket_object import WebSocket, closed_error
from bascule.types import Environ, Headers, Message, Receive, Scope, Send

# Messages that wait for the application before no more are received.
MOST_MESSAGES = 16

# Operations from the thread to the loop, beside those of ThreadedCall.
ACCEPT = 10
CLOSE = 11
MESSAGE = 12

# The key of a message by its kind. ASGI has none for a ping.
MESSAGE_KEYS = {TEXT: "text", BINARY: "bytes"}

DENIAL = "websocket.http.response"


async def serve_websocket(
    plan: WSGIPlan,
    places: Places,
    pool: ThreadPool,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """One WebSocket, in a thread of `pool`."""
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    call = WebSocketThreadedCall(plan, pool, scope, receive, send)
    if places.taken >= places.limit:
        await call.deny(
            503, [(b"content-type", b"text/plain"), (b"retry-after", b"1")], b"no thread is left\n"
        )
        return
    places.taken += 1
    try:
        await call.drive()
    finally:
        places.taken -= 1


class HowItEnded:
    """The `session` of the WebSocket."""

    def __init__(self) -> None:
        self.code = ABNORMAL_CLOSURE
        self.reason = ""
        self.stop_code = SERVICE_RESTART


class WebSocketThreadedCall(ThreadedCall):
    """One WebSocket of the WSGI application.

    taken: the application has begun to use the WebSocket, so a response of its is not sent.
    """

    def __init__(
        self, plan: WSGIPlan, pool: ThreadPool, scope: Scope, receive: Receive, send: Send
    ) -> None:
        super().__init__(plan, pool, scope, receive, send)
        self.session = HowItEnded()
        self.messages: deque[str | bytes] = deque()
        self.taken = False
        # ASGI gives no access to the socket.
        self.tunnelled = False
        self.accepted = False
        self.body_ended = True

    # LOOP SIDE

    def judge(self, error: BaseException | None) -> None:
        # An application that ends because its WebSocket was closed has not failed. StopIteration
        # is how applications leave Gunicorn that took its socket.
        if self.taken and self.disconnected and isinstance(error, OSError | StopIteration):
            error = None
        super().judge(error)

    async def carry_out(self, operation: tuple[Any, ...]) -> None:
        kind = operation[0]
        if kind == READ:
            self.watch()
        elif kind == WATCH:
            pass
        else:
            await self.carry_out_sending(operation)
            self.written += operation[2]
            self.wake_thread()

    async def carry_out_sending(self, operation: tuple[Any, ...]) -> None:
        kind = operation[0]
        try:
            if self.is_over():
                pass
            elif kind == SEND:
                for message in operation[1]:
                    await self.answer(message)
            else:
                await self.send(operation[1])
                if kind == ACCEPT:
                    self.accepted = True
                    self.watch()
                elif kind == CLOSE:
                    self.finish(operation[1]["code"], operation[1]["reason"])
        except Exception as error:
            self.note(error)

    async def answer(self, message: Message) -> None:
        """A response in place of a WebSocket: its denial."""
        if DENIAL in self.extensions():
            await self.send({**message, "type": "websocket." + message["type"]})
        elif message["type"] == "http.response.start":
            await self.send({"type": "websocket.close"})

    async def deny(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer without the application."""
        head = {"type": "http.response.start", "status": status, "headers": headers}
        await self.answer(head)
        await self.answer({"type": "http.response.body", "body": body, "more_body": False})

    def finish(self, code: int, reason: str) -> None:
        """Note that it is closed. The first report of a code and a reason counts."""
        if not self.disconnected:
            self.session.code = code
            self.session.reason = reason
            self.disconnected = True

    def take(self, message: Message) -> None:
        if message["type"] == "websocket.receive":
            text = message.get("text")
            self.messages.append(message["bytes"] if text is None else text)
            self.wake_thread()
        else:
            self.finish(message.get("code", NO_STATUS), message.get("reason") or "")

    def watch(self) -> None:
        """Receive, as far as there is room."""
        if self.watcher is None and self.accepted and not self.is_over():
            self.watcher = self.pool.loop.create_task(self.look_out())

    async def look_out(self) -> None:
        try:
            while not self.is_over() and len(self.messages) < MOST_MESSAGES:
                await self.receive_one()
        finally:
            self.watcher = None
            self.wake_thread()

    # THREAD SIDE

    def environ(self) -> Environ:
        environ = super().environ()
        environ["wsgi.input"] = io.BytesIO()
        environ["wsgi.websocket"] = WebSocket(self, environ)
        return environ

    def call(self) -> None:
        super().call()
        if self.taken:
            self.close_socket(NORMAL_CLOSURE, "")

    def put_whole(self, data: bytes) -> None:
        if not self.taken:
            super().put_whole(data)

    def put(self, data: bytes) -> None:
        if not self.taken:
            super().put(data)

    def end(self, data: bytes) -> None:
        if not self.taken:
            super().end(data)

    def accept(self, subprotocol: str | None, fields: list[tuple[bytes, bytes]]) -> None:
        """Accept the handshake, and wait until that is done. Raises what it came to."""
        if self.taken:
            raise ResponseError("this WebSocket was accepted before")
        self.taken = True
        headers = [(name.lower(), value) for name, value in fields]
        message = {"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers}
        self.put_operation((ACCEPT, message, 0))
        self.wait_until(self.is_answered)
        if self.error is not None:
            raise self.error

    def is_answered(self) -> bool:
        return self.accepted or self.is_over()

    def next_message(self, timeout: float | None) -> str | bytes | None:
        """The next message, waiting for it; None when there will be none. Raises TimeoutError."""
        if not self.messages and not self.wait_until(self.has_message, timeout):
            raise TimeoutError(f"no message within {timeout:g} s")
        if self.messages:
            message = self.messages.popleft()
            if not self.messages and not self.is_over():
                self.put_operation((READ,))
            return message
        if self.error is not None:
            raise self.error
        return None

    def has_message(self) -> bool:
        return bool(self.messages) or self.is_over()

    def send_message(self, kind: int, message: str | bytes) -> None:
        """Send, and wait while too much is queued. Raises WebSocketClosed."""
        self.check_open()
        if kind not in MESSAGE_KEYS:
            return
        sent = {"type": "websocket.send", MESSAGE_KEYS[kind]: message}
        self.queued += len(message)
        self.put_operation((MESSAGE, sent, len(message)))
        if not self.may_write():
            self.wait_until(self.may_write)

    def close_socket(self, code: int, reason: str) -> None:
        """Close, where that has not happened."""
        if not self.is_over():
            message = {"type": "websocket.close", "code": code, "reason": reason}
            self.put_operation((CLOSE, message, 0))
            self.wait_until(self.is_over)

    def subprotocols(self) -> list[str]:
        return list(self.scope.get("subprotocols", ()))

    def check_open(self) -> None:
        """Raises WebSocketClosed, or what the server refused before."""
        if self.error is not None:
            raise self.error
        if self.disconnected:
            raise closed_error(self.session.code, self.session.reason)
