"""Exchange and Carrier: where wire protocols and application interfaces meet.

    Carrier     carries one exchange at a time: an HTTP/1.1 connection, or one HTTP/2 stream
    Exchange    one request and its response; interfaces subclass it (AsgiExchange, WsgiExchange)
    Interface   makes the exchanges for one application

The carrier calls the exchange when the client does something: `receive_body`, `end_body`,
`disconnect`, `resume_writing`. The exchange calls the carrier when the application does something:
`respond`, `send`, ... Every method of both runs on the loop's thread, unless its docstring says
otherwise. Neither knows more of the other than this file, so a new wire protocol serves both
interfaces, and a new interface is served by every wire protocol.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from bascule.errors import ClientDisconnected
from bascule.interfaces.endpoint import Endpoint
from bascule.protocols.events import Request

# Bytes of a body that may wait in an exchange before its carrier stops reading from the client.
# Most forms and JSON bodies are smaller, and reach the application whole; thousands of uploads at
# once still fit into memory.
BODY_HIGH_WATER = 131072

# A client that has closed its sending side may wait for the response, or be gone. Only writing to
# it shows which. When nothing was written for so many seconds, the client counts as gone.
FORSAKEN_AFTER = 3.0


class Carrier:
    """The connection's side of the contract.

    endpoint: the two ends.
    congested: the client reads slower than the application writes; the exchange should wait for
        `resume_writing` before it sends more.

    With the call that ends the response the carrier is free for the next exchange: this one must
    not call it again.
    """

    __slots__ = ("congested", "endpoint")

    endpoint: Endpoint
    congested: bool

    def respond(
        self,
        status: int,
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        end: bool,
        reason: bytes = b"",
    ) -> None:
        """Send the response head and the first piece of the body. Raises ResponseError."""
        raise NotImplementedError

    def send(self, data: bytes, end: bool) -> None:
        """Send a further piece of the body. Raises ResponseError."""
        raise NotImplementedError

    def send_trailers(self, fields: list[tuple[bytes, bytes]]) -> None:
        """End the body with trailer fields. Raises ResponseError."""
        raise NotImplementedError

    def send_file(self, file: object, offset: int, count: int, end: bool) -> None:
        """Send `count` bytes of an open file; the carrier is `congested` until they have left.
        Raises ResponseError."""
        raise NotImplementedError

    def inform(self, status: int, fields: list[tuple[bytes, bytes]]) -> None:
        """Send an interim response. Raises ResponseError."""
        raise NotImplementedError

    def accept(
        self, session: object, subprotocol: str | None, fields: list[tuple[bytes, bytes]]
    ) -> None:
        """Accept the WebSocket handshake that the request is. From here on the client belongs to
        the `session` (a WebSocketSession), and this carrier must not be called again. Raises
        ResponseError."""
        raise NotImplementedError

    def tunnel(self, exchange: "Exchange", sock: socket.socket) -> Callable[[], None]:
        """Pass the client's bytes to `sock`, and bytes from there to the client, unread: the
        application answers the WebSocket handshake itself. Calls `exchange.disconnect` when the
        client is gone. Returns the function to call when the application has returned. Raises
        ResponseError."""
        raise NotImplementedError

    def is_crowded(self) -> bool:
        """Return whether too many bytes wait for all clients together, so that a response should
        be no further ahead of its client than it must. May be called in any thread."""
        return False

    def holds_back(self) -> bool:
        """Return whether so many bytes of other responses wait for this client that no further
        call should begin. May be called in any thread. After `wait_for_room`, the carrier calls
        `resume_writing` when that has changed."""
        return False

    def wait_for_room(self) -> None:
        """See `holds_back`. Not called for carriers that never hold back."""
        raise NotImplementedError

    def want_body(self) -> None:
        """Answer 100-continue and continue to read: the application waits for the body."""
        raise NotImplementedError

    def hold_body(self) -> None:
        """Stop reading from the client until `want_body`: enough of the body is waiting."""
        raise NotImplementedError

    def abort(self) -> None:
        """Close the connection so that the client sees the response is incomplete."""
        raise NotImplementedError


class Exchange:
    """One request and its response: the part that both interfaces share.

    body: pieces received and not read by the application yet; `body_size` bytes in all.
    body_ended: the body is complete, and `trailers` are known.
    disconnected: the client is gone; writing is an error.
    finished_sending: the client has closed its side; it may be gone, or wait for the response all
        the same.
    held: the carrier has been asked to stop reading.
    arrived_at: when the head arrived, in seconds of `perf_counter`; the carrier sets it.
    waited: seconds that the call has waited for a thread, or for its turn; 0 where there is no
        such wait.
    """

    __slots__ = (
        "arrived_at",
        "body",
        "body_ended",
        "body_size",
        "carrier",
        "disconnected",
        "finished_sending",
        "held",
        "request",
        "trailers",
        "waited",
    )

    # The interface that calls the application, for people; "" where there is none.
    called_by = ""

    def __init__(self, request: Request, carrier: Carrier) -> None:
        self.request = request
        self.carrier = carrier
        self.body: list[bytes] = []
        self.body_size = 0
        self.body_ended = request.ended
        self.trailers: list[tuple[bytes, bytes]] = []
        self.disconnected = False
        self.finished_sending = False
        self.held = False
        self.arrived_at = 0.0
        self.waited = 0.0

    # From the carrier.

    def start(self) -> None:
        """Call the application. The part of the body that has arrived is in `body` already."""
        raise NotImplementedError

    def receive_body(self, data: bytes) -> None:
        """Take a piece of the body; ask the carrier to stop reading when enough is waiting."""
        self.body.append(data)
        self.body_size += len(data)
        if self.body_size >= BODY_HIGH_WATER and not self.held:
            self.held = True
            self.carrier.hold_body()
        self.wake_reader()

    def end_body(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """Note that the body is complete."""
        self.body_ended = True
        self.trailers = trailers
        self.wake_reader()

    def disconnect(self) -> None:
        """Note that the client is gone: nothing more can be received or sent."""
        self.disconnected = self.finished_sending = True
        self.wake_reader()
        self.resume_writing()

    def finish_sending(self) -> None:
        """Note that the client has closed its side some time ago, for applications that ask."""
        self.finished_sending = True
        self.wake_reader()

    def resume_writing(self) -> None:
        """Let the application write on: the carrier is no longer congested."""
        raise NotImplementedError

    def wake_reader(self) -> None:
        """Wake a reader: something that it may wait for has happened."""
        raise NotImplementedError

    def catch_up(self) -> None:
        """Carry out what the application has sent before, because a WebSocket is about to be
        closed or a request given up. Only calls in threads, which post to the loop, have something
        to carry out."""

    def tick(self) -> None:
        """Do what was put off: a tick of the worker has passed."""

    # For reports about requests in flight, and for their deadlines.

    def whereabouts(self) -> str:
        """Return where the call is now, for people. May be called in any thread."""
        return "waiting for its body"

    def thread(self) -> int:
        """Return the number of the thread that the call has for itself now; 0 for none. May be
        called in any thread."""
        return 0

    def stack(self) -> str:
        """Return the lines of the stack of the call, or "" where there is none. May be called in
        any thread."""
        return ""

    def is_running(self) -> bool:
        """Return whether the application has been called, or will be, and has not returned."""
        return False

    def waits_for_turn(self) -> bool:
        """Return whether the application is not called yet because other calls go before."""
        return False

    def holds_up(self) -> bool:
        """Return whether the call only waits for its client, in a thread that others wait for."""
        return False

    def expire(self) -> None:
        """End the call, as far as that is possible: the request has passed its deadline. The
        carrier answers the client, and calls `disconnect` afterwards."""

    # For the interfaces.

    def ends(self) -> Endpoint:
        """Return the two ends; those that a trusted proxy names, if it does."""
        endpoint: Endpoint | None = self.request.endpoint
        return self.carrier.endpoint if endpoint is None else endpoint

    def take_body(self) -> bytes:
        """Return the pieces that wait as one, and let the carrier continue to read."""
        body = self.body
        if len(body) == 1:
            data = body[0]
        else:
            data = b"".join(body)
        self.body = []
        self.body_size = 0
        if self.held:
            self.held = False
            self.carrier.want_body()
        return data

    def check_connected(self) -> None:
        """Raise ClientDisconnected when the client is gone."""
        if self.disconnected:
            raise ClientDisconnected("the client closed the connection")


@dataclass(frozen=True, slots=True)
class WebSocketPlan:
    """The settings of an interface for WebSockets.

    queue: messages of one WebSocket that may wait unread before its carrier stops reading; the
        number that users of Uvicorn know.
    threads: WebSockets of a WSGI application open at once, each of which has a thread for itself.
        An idle thread costs a few tens of kilobytes.
    """

    queue: int = 32
    threads: int = 64


class Interface:
    """Makes exchanges for one application.

    running: calls of the application that have not returned yet.
    switched: those of them that have accepted a WebSocket, and may run for days.
    deserted: those of them that continue to send to a disconnected client, and have not received
        http.disconnect.
    websockets: None where a WebSocket handshake is served as the plain request that it also is.
    """

    __slots__ = ("deserted", "running", "switched", "websockets")

    def __init__(self, websockets: WebSocketPlan | None = None) -> None:
        self.running = 0
        self.switched = 0
        self.deserted = 0
        self.websockets = websockets

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        """Return a new exchange, not started yet."""
        raise NotImplementedError

    def count_running(self) -> int:
        """Return `running`, over all applications behind this interface."""
        return self.running

    def has_busy_threads(self) -> bool:
        """Return whether calls run in threads of this process, or wait for one."""
        return False

    def count_switched(self) -> int:
        """Return `switched`, over all applications behind this interface."""
        return self.switched

    def count_deserted(self) -> int:
        """Return `deserted`, over all applications behind this interface."""
        return self.deserted

    def calls(self) -> list[Exchange]:
        """Return the calls that have not returned, whether their clients are still connected or
        not; those that wait for a thread as well. May be called in any thread."""
        return []

    def close(self) -> None:
        """Release the interface's resources, and cancel the calls that can be cancelled."""
