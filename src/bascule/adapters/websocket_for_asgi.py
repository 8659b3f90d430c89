"""An ASGI WebSocket over `environ["wsgi.websocket"]`.

The calling thread receives, because only it may; a second thread, started when the handshake is
accepted, sends, so that a slow client holds up neither the loop nor incoming messages.
"""

import threading
from asyncio import Future
from collections.abc import Iterable
from queue import SimpleQueue
from typing import Any

from bascule.adapters.background import Background
from bascule.adapters.loop_call import (
    DATA,
    END,
    HEAD,
    READ,
    LoopCall,
    Response,
    text_fields,
    wake,
)
from bascule.adapters.scope import websocket_scope
from bascule.errors import ClientDisconnected, ResponseError
from bascule.interfaces.leaving import forget_frames, is_disconnect
from bascule.pep3333 import status_line
from bascule.types import Environ, Message, StartResponse

NORMAL_CLOSURE = 1000
ABNORMAL_CLOSURE = 1006
INTERNAL_ERROR = 1011

# Beside the events of LoopCall.
ACCEPT = 10

CONNECTING = 0
OPEN = 1
CLOSED = 2

FORBIDDEN = {"status": 403, "headers": [(b"content-type", b"text/plain; charset=utf-8")]}


def serve_websocket(
    background: Background, environ: Environ, start_response: StartResponse
) -> Iterable[bytes]:
    """One WebSocket; the thread returns when it is closed, or with the response that denies it."""
    return WebSocketLoopCall(background, environ).begin(start_response)


class WebSocketLoopCall(LoopCall):
    """One WebSocket of the ASGI application."""

    def __init__(self, background: Background, environ: Environ) -> None:
        super().__init__(background, environ, websocket_scope(environ, background.state))
        self.socket: Any = environ["wsgi.websocket"]
        self.outgoing: SimpleQueue[tuple[Any, ...] | None] = SimpleQueue()
        self.state = CONNECTING
        self.connect_told = False
        self.messages: list[Message] = []
        self.code = ABNORMAL_CLOSURE
        self.reason = ""

    # LOOP SIDE

    def judge_return(self) -> ResponseError | None:
        if self.state == CONNECTING and not (self.completed or self.disconnected):
            return ResponseError(
                "the application returned without answering the WebSocket handshake"
            )
        return None

    def conclude(self, error: BaseException | None) -> None:
        """The application is done: an open WebSocket is closed."""
        if is_disconnect(error):
            # It let the OSError of `send` end it, which is the usual way to stop.
            forget_frames(error)
            error = None
        if self.state == OPEN:
            # This is also what ends the thread's receiving.
            code = NORMAL_CLOSURE if error is None else INTERNAL_ERROR
            self.outgoing.put(("close", code, "", None))
            self.state = CLOSED
        self.outgoing.put(None)
        super().conclude(error)

    async def receive(self) -> Message:
        """ASGI `receive`."""
        if not self.connect_told:
            self.connect_told = True
            return {"type": "websocket.connect"}
        while True:
            if self.messages:
                return self.messages.pop(0)
            if self.state == CLOSED or self.disconnected or self.completed:
                return {
                    "type": "websocket.disconnect",
                    "code": self.code,
                    "reason": self.reason,
                }
            if self.state == OPEN and not self.is_reading:
                self.is_reading = True
                self.events.put((READ,))
            await self.wait(self.receivers)

    def deliver_message(self, message: str | bytes | None) -> None:
        """Take a message that the thread has received; None means the end."""
        self.is_reading = False
        if message is None:
            self.end()
        elif isinstance(message, str):
            self.messages.append({"type": "websocket.receive", "text": message})
        else:
            self.messages.append({"type": "websocket.receive", "bytes": bytes(message)})
        wake(self.receivers)

    def end(self) -> None:
        """It is closed, from whichever side."""
        if self.state != CLOSED:
            self.state = CLOSED
            self.code = getattr(self.socket, "close_code", None) or ABNORMAL_CLOSURE
            self.reason = getattr(self.socket, "close_reason", None) or ""
        wake(self.receivers)

    async def send(self, message: Message) -> None:
        """ASGI `send`. Raises ClientDisconnected, or what the WebSocket raises."""
        kind = message["type"]
        if self.state == OPEN and kind == "websocket.send":
            text = message.get("text")
            await self.put("send", message["bytes"] if text is None else text)
        elif self.state == OPEN and kind == "websocket.close":
            code = message.get("code", NORMAL_CLOSURE)
            reason = message.get("reason") or ""
            await self.put("close", code, reason)
            self.state = CLOSED
            self.code, self.reason = code, reason
            wake(self.receivers)
        elif self.state == CLOSED and not self.completed:
            raise ClientDisconnected("the WebSocket is closed")
        elif self.state == CONNECTING and not self.completed:
            await self.answer_handshake(kind, message)
        else:
            raise RuntimeError(f"{kind!r} is not expected here")

    async def answer_handshake(self, kind: str, message: Message) -> None:
        """Carry out an answer of the application to the handshake."""
        if kind == "websocket.accept" and self.head is None:
            answered = self.loop.create_future()
            self.events.put((ACCEPT, message, answered))
            await answered
            self.state = OPEN
            wake(self.receivers)
        elif kind == "websocket.close" and self.head is None:
            self.events.put((HEAD, FORBIDDEN))
            self.completed = True
            self.state = CLOSED
            self.events.put((DATA, b"Forbidden\n", True))
            wake(self.receivers)
        elif kind == "websocket.http.response.start" and self.head is None:
            self.head = message
            self.events.put((HEAD, message))
        elif kind == "websocket.http.response.body" and self.head is not None:
            await self.send_body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind!r} is not expected before the handshake is accepted")

    async def put(self, what: str, *arguments: Any) -> None:
        """Have the second thread call `what` of the socket. Raises its exception."""
        done = self.loop.create_future()
        self.outgoing.put((what, *arguments, done))
        await done

    # THREAD SIDE

    def answer(self, start_response: StartResponse) -> Iterable[bytes]:
        """Carry out the application's events until it is done."""
        head: Message = {}
        while True:
            event = self.events.get()
            kind = event[0]
            if kind == HEAD:
                head = event[1]
            elif kind == DATA:
                start_response(status_line(head["status"]), text_fields(head))
                if event[2]:
                    self.is_over = True
                    return [event[1]]
                return Response(self, event[1])
            elif kind == ACCEPT:
                self.accept_handshake(event[1], event[2])
            elif kind == READ:
                self.receive_one()
            elif kind == END:
                self.is_over = True
                if event[1] is not None:
                    raise event[1]
                return []

    def accept_handshake(self, message: Message, answered: "Future[None]") -> None:
        fields = [
            (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
            for name, value in message.get("headers", ())
        ]
        try:
            self.socket.accept(message.get("subprotocol"), fields)
        except Exception as error:
            self.tell(settle, answered, error)
        else:
            threading.Thread(target=self.write_on, name="asgi-websocket", daemon=True).start()
            self.tell(settle, answered, None)

    def receive_one(self) -> None:
        try:
            message = self.socket.receive()
        except Exception:
            # It is closed; close_code says how.
            message = None
        self.tell(self.deliver_message, message)

    # THREAD THAT SENDS

    def write_on(self) -> None:
        """Send and close, as long as the application is running."""
        while True:
            operation = self.outgoing.get()
            if operation is None:
                return
            what, *arguments, done = operation
            error = None
            try:
                getattr(self.socket, what)(*arguments)
            except Exception as raised:
                error = raised
            if done is not None:
                try:
                    self.tell(settle, done, error)
                except RuntimeError:
                    # The loop is closed, and the call with it.
                    return


def settle(future: "Future[None]", error: Exception | None) -> None:
    """Set the result of an operation, if its future still waits."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
