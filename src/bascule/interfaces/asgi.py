"""ASGI HTTP (ASGI 3.0, HTTP specification 2.5): one request, one call of the application.

    AsgiInterface    one application in one worker: makes the call that a request asks for
    AsgiExchange     `receive` and `send` of one request, and the rules about their order

A disconnect cancels nothing behind the application's back: `receive` says http.disconnect, `send`
raises OSError. Tasks and awaitables are in `asgi_call`.
"""

import os
from typing import Any

from bascule.errors import ResponseError
from bascule.interfaces.answers import PLAIN_TEXT
from bascule.interfaces.asgi_call import (
    READY,
    AsgiCall,
    AsgiCaller,
    Drained,
    Extensions,
    ReadyAwaitable,
    Receive,
    checked_body,
)
from bascule.interfaces.exchange import Carrier, Exchange
from bascule.protocols.events import Request
from bascule.types import Message, Scope

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


class AsgiExchange(AsgiCall):
    """One request to an ASGI application, and its response."""

    __slots__ = (
        "end_told",
        "fields",
        "response_trailers",
        "state",
        "status",
        "trailers_follow",
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
        self.arrived_at = 0.0
        self.waited = 0.0
        self.state = IDLE
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.response_trailers: list[tuple[bytes, bytes]] = []
        self.trailers_follow = False
        self.end_told = False
        self.waiters = []
        self.task = None

    def scope(self) -> Scope:
        """The HTTP connection scope (ASGI HTTP specification 2.5)."""
        endpoint = self.ends()
        # New for each: the application may add to them.
        extensions: Extensions = {
            "http.response.trailers": {},
            "http.response.pathsend": {},
            "http.response.zerocopysend": {},
            "http.response.early_hint": {},
        }
        scope = self.interface.scope("http", self.request, endpoint, extensions)
        scope["method"] = self.request.method
        scope["scheme"] = endpoint.scheme
        return scope

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
            self.log_failure(what, error)
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
            # A 304 has only the length that the application tells (RFC 9110 section 8.6).
            if self.status != 304:
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

    def whereabouts(self) -> str:
        return "sending" if self.state >= SENDING else AsgiCall.whereabouts(self)

    def is_congested(self) -> bool:
        return self.state != COMPLETE and not self.disconnected and self.carrier.congested


class AsgiInterface(AsgiCaller):
    """Calls one ASGI 3 application on the loop, for requests and for WebSockets."""

    __slots__ = ()

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        if request.websocket is not None and self.websockets is not None:
            # Not before there is one: many applications have none.
            from bascule.interfaces.asgi_websocket import AsgiWebSocket

            return AsgiWebSocket(self, request, carrier, self.websockets.queue)
        return AsgiExchange(self, request, carrier)


def file_size(file: Any) -> int:
    return os.fstat(file.fileno()).st_size
