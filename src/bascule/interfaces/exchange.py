"""Exchange and Carrier: where wire protocols and application interfaces meet.

    Carrier     carries one exchange at a time: an HTTP/1.1 connection, or one HTTP/2 stream
    Exchange    one request and its response; interfaces subclass it (AsgiExchange, WsgiExchange)
    Interface   makes the exchanges for one application

The carrier tells the exchange what the client does: `receive_body`, `end_body`, `disconnect`,
`resume_writing`. The exchange tells the carrier what the application does: `respond`, `send`, ...
Every method of both runs on the loop's thread. Neither knows more of the other than what stands in
this file, so a new wire protocol brings both interfaces, and a new interface brings every wire
protocol.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from bascule.errors import ClientDisconnected
from bascule.interfaces.endpoint import Endpoint
from bascule.protocols.events import Request

# Body octets that may wait in an exchange before its carrier stops reading from the client. Most
# forms and JSON bodies are smaller, and reach the application whole; thousands of uploads at once
# still fit into memory.
BODY_HIGH_WATER = 131072

# A client that has closed its sending side may wait for the response, or be gone. Only writing to
# it tells: when nothing was written for so many seconds, it counts as gone.
FORSAKEN_AFTER = 3.0


class Carrier:
    """The connection's half of the contract.

    endpoint: the two ends. congested: the client reads slower than the application writes; the
    exchange should wait for `resume_writing` before it sends more.

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
        """Send `count` octets of an open file; `congested` until they are gone. Raises
        ResponseError."""
        raise NotImplementedError

    def inform(self, status: int, fields: list[tuple[bytes, bytes]]) -> None:
        """Send an interim response. Raises ResponseError."""
        raise NotImplementedError

    def accept(
        self, session: object, subprotocol: str | None, fields: list[tuple[bytes, bytes]]
    ) -> None:
        """Accept the WebSocket handshake that the request is: from here on the client is the
        `session`'s (a WebSocketSession), and this carrier is not to be called again. Raises
        ResponseError."""
        raise NotImplementedError

    def tunnel(self, exchange: "Exchange", sock: socket.socket) -> Callable[[], None]:
        """Hand the client's octets to `sock`, and what comes from there to the client, unlooked
        at: the application answers the WebSocket handshake itself. `exchange` is told when the
        client is gone. Returns what is to be called when the application has finished. Raises
        ResponseError."""
        raise NotImplementedError

    def is_crowded(self) -> bool:
        """More waits for all clients together than should: a response should run ahead of its
        own no further than it must. May be asked in any thread."""
        return False

    def holds_back(self) -> bool:
        """So much of other responses waits for this client that no further call should begin. May
        be asked in any thread; `wait_for_room` has the exchange told, by `resume_writing`, when
        that has changed."""
        return False

    def wait_for_room(self) -> None:
        """See `holds_back`. Carriers that never hold back are never asked."""
        raise NotImplementedError

    def want_body(self) -> None:
        """The application waits for the request body: answer 100-continue, go on reading."""
        raise NotImplementedError

    def hold_body(self) -> None:
        """Enough body is waiting: stop reading from the client until `want_body`."""
        raise NotImplementedError

    def abort(self) -> None:
        """Close the connection so that the client sees the response is incomplete."""
        raise NotImplementedError


class Exchange:
    """One request and its response: what both interfaces share.

    body: pieces received and not read by the application yet; `body_size` octets in all.
    body_ended: the body is complete, `trailers` are known. disconnected: the client is gone,
    writing is an error.
    finished_sending: the client has closed its side; it may be gone, or wait for the response all
    the same.
    arrived_at: when the head was here, in seconds of `perf_counter`; the carrier sets it.
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

    # How its application is called, for people; "" where there is none.
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
        """Call the application. What has arrived of the body is here already."""
        raise NotImplementedError

    def receive_body(self, data: bytes) -> None:
        """A piece of the body; asks the carrier to stop reading when enough is waiting."""
        self.body.append(data)
        self.body_size += len(data)
        if self.body_size >= BODY_HIGH_WATER and not self.held:
            self.held = True
            self.carrier.hold_body()
        self.wake_reader()

    def end_body(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """The body is complete."""
        self.body_ended = True
        self.trailers = trailers
        self.wake_reader()

    def disconnect(self) -> None:
        """The client is gone: nothing more can be received or sent."""
        self.disconnected = self.finished_sending = True
        self.wake_reader()
        self.resume_writing()

    def finish_sending(self) -> None:
        """The client has closed its side some time ago: say so to an application that asks."""
        self.finished_sending = True
        self.wake_reader()

    def resume_writing(self) -> None:
        """The carrier is no longer congested."""
        raise NotImplementedError

    def wake_reader(self) -> None:
        """Something that a reader may wait for has happened."""
        raise NotImplementedError

    def catch_up(self) -> None:
        """A WebSocket is about to be closed, or a request given up: carry out what the application
        has sent before. Only calls in threads, which the loop hears of later, have such."""

    def tick(self) -> None:
        """A tick of the worker has passed. Only exchanges that put something off care."""

    # For whoever asks what is going on, and when it takes too long.

    def whereabouts(self) -> str:
        """Where the call is now, for people. May be asked in any thread."""
        return "waiting for its body"

    def thread(self) -> int:
        """The thread that the call has for itself at this moment, by its number; 0 for none. May
        be asked in any thread."""
        return 0

    def stack(self) -> str:
        """What the call is doing now: the lines of a stack, or "" where there is none. May be
        asked in any thread."""
        return ""

    def is_running(self) -> bool:
        """The application has been called, or will be, and has not returned."""
        return False

    def waits_for_turn(self) -> bool:
        """The application is to be called, and has not been: other calls go before."""
        return False

    def holds_up(self) -> bool:
        """The call does nothing but wait for its client, in a thread that others wait for."""
        return False

    def expire(self) -> None:
        """The request has passed its deadline: end the call, as far as that can be done. The
        carrier answers the client, and says `disconnect` afterwards."""

    # For the interfaces.

    def ends(self) -> Endpoint:
        """The two ends, as trusted proxies tell them where they do."""
        endpoint: Endpoint | None = self.request.endpoint
        return self.carrier.endpoint if endpoint is None else endpoint

    def take_body(self) -> bytes:
        """Everything that waits, in one piece; lets the carrier read on."""
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
        """Raises ClientDisconnected when writing makes no sense any more."""
        if self.disconnected:
            raise ClientDisconnected("the client closed the connection")


@dataclass(frozen=True, slots=True)
class WebSocketPlan:
    """What an interface is told about WebSockets.

    queue: messages of one WebSocket that may wait unread before its carrier stops reading; the
    number that users of Uvicorn know.
    threads: WebSockets of a WSGI application open at once, each of which has a thread for itself;
    idle ones cost a few tens of kilobytes.
    """

    queue: int = 32
    threads: int = 64


class Interface:
    """Makes exchanges for one application.

    running: applications called that have not returned yet; `switched` of them have accepted a
    WebSocket, and may run for days. deserted: those whose clients have gone, which go on sending
    and have not been told. websockets: None where a WebSocket handshake is served as the
    plain request that it also is.
    """

    __slots__ = ("deserted", "running", "switched", "websockets")

    def __init__(self, websockets: WebSocketPlan | None = None) -> None:
        self.running = 0
        self.switched = 0
        self.deserted = 0
        self.websockets = websockets

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        """A new exchange, not started yet."""
        raise NotImplementedError

    def count_running(self) -> int:
        """`running`, over all applications behind this interface."""
        return self.running

    def has_busy_threads(self) -> bool:
        """Whether calls run in threads of this process, or wait for one."""
        return False

    def count_switched(self) -> int:
        """`switched`, over all applications behind this interface."""
        return self.switched

    def count_deserted(self) -> int:
        """`deserted`, over all applications behind this interface."""
        return self.deserted

    def calls(self) -> list[Exchange]:
        """The calls that have not returned, whether their clients are still there or not; those
        that wait for a thread as well. May be asked in any thread."""
        return []

    def close(self) -> None:
        """Give back what the interface holds, and cancel what can be cancelled."""
