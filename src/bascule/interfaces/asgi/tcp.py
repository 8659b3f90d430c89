"""ASGI TCP connections (docs/reference/asgi-streams.md, TCP specification 1.0): one connection,
one call.

    state       meaning                                          messages that are in order
    OFFERED     tcp.connect is not answered                      accept, close
    ACCEPTED    bytes go both ways                               send, close
    FINISHED    the application has closed the sending side      close
    CLOSED      the application has closed the connection        none

A client that leaves cancels nothing: `receive` returns tcp.disconnect with the reason, `send`
raises OSError. Bytes that the client sent before are received first.
"""

from bascule.interfaces.asgi.awaitables import READY, DrainAwaitable, ReadyAwaitable
from bascule.interfaces.asgi.call import AsgiCaller, checked_body, mark_async
from bascule.interfaces.asgi.socket_call import SocketCall
from bascule.interfaces.exchange import Carrier
from bascule.types import Message, Scope

TCP_SPEC_VERSION = "1.0"

OFFERED = 0
ACCEPTED = 1
FINISHED = 2
CLOSED = 3

# Where a message is not expected, by state.
EXPECTED = (
    "before tcp.accept",
    "on an accepted connection",
    "after the sending side was closed",
    "after tcp.close",
)

# The reasons of tcp.disconnect.
BY_CLIENT = "closed"
BY_APPLICATION = "application"
RESET = "reset"
IDLE = "idle"
UNANSWERED = "unanswered"
NOT_READING = "slow"
STOPPED = "stopped"


class TcpCarrier(Carrier):
    """The connection's side of the contract, beside what every carrier has.

    `send(data, end)` writes bytes; with `end` it closes the sending side behind them. `hold_body`
    and `want_body` pause reading and continue it. `abort` resets the connection.

    alpn: the protocol that was agreed on in the TLS handshake. server_name: the name that the
    client has asked for in it. has_half_close: whether one side can be closed alone.
    """

    __slots__ = ("alpn", "has_half_close", "server_name")

    alpn: str | None
    server_name: str | None
    has_half_close: bool

    def close(self) -> None:
        """Close the connection behind what was written."""
        raise NotImplementedError


class TcpCall(SocketCall):
    """One TCP connection of an ASGI application.

    reason: why the connection is gone, for tcp.disconnect.
    """

    __slots__ = (
        "connect_told",
        "end_told",
        "reason",
        "tcp",
        "unread_at_stop",
    )

    def __init__(
        self, interface: AsgiCaller, carrier: TcpCarrier, address: str, seconds: float
    ) -> None:
        """address: where the client has connected to, for logs."""
        super().__init__(interface, carrier, "TCP", address, seconds)
        self.tcp = carrier
        self.state = OFFERED
        self.reason = BY_CLIENT
        self.connect_told = False
        self.end_told = False
        self.unread_at_stop = False

    def scope(self) -> Scope:
        """Return the TCP connection scope."""
        tcp = self.tcp
        endpoint = tcp.endpoint
        scope = self.common_scope("tcp", TCP_SPEC_VERSION, endpoint)
        scope["client"] = endpoint.client
        scope["half_close"] = tcp.has_half_close
        scope["alpn"] = tcp.alpn
        scope["server_name"] = tcp.server_name
        if endpoint.tls is not None and self.interface.tls:
            scope["extensions"]["tls"] = dict(endpoint.tls)
        return scope

    def judge_return(self) -> None:
        """Close a connection that is open, and see that it was answered."""
        if self.disconnected or self.state == CLOSED:
            return
        if self.state == OFFERED:
            self.fail("returned without answering tcp.connect", None)
        else:
            self.shut()

    def fail(self, what: str, error: BaseException | None) -> None:
        """Log that the application will not continue, and reset the connection: the client sees
        that it is incomplete."""
        try:
            if error is not None or not self.disconnected:
                self.log_failure(what, error)
        finally:
            if not self.disconnected and self.state != CLOSED:
                self.state = CLOSED
                self.reason = BY_APPLICATION
                self.tcp.abort()

    def whereabouts(self) -> str:
        return "TCP connection open"

    # From the application.

    def next_message(self) -> Message | None:
        """Return the message that `receive` returns now, or None."""
        if not self.connect_told:
            self.connect_told = True
            return {"type": "tcp.connect"}
        if self.state in (ACCEPTED, FINISHED):
            message = self.next_of_open()
            if message is not None:
                return message
        if self.disconnected or self.state == CLOSED:
            return {"type": "tcp.disconnect", "reason": self.reason}
        return self.take_stop()

    def next_of_open(self) -> Message | None:
        """Return the bytes that wait, or the end of the client's sending side."""
        if self.stop_due and not self.unread_at_stop and not self.disconnected:
            return self.take_stop()
        if not self.end_told and (self.body or self.body_ended):
            self.end_told = self.body_ended
            self.unread_at_stop = False
            data = self.take_body()
            return {"type": "tcp.receive", "bytes": data, "more": not self.end_told}
        return None

    def take_stop(self) -> Message | None:
        """Return tcp.stopping, once, behind the bytes that had come before."""
        if not self.stop_due:
            return None
        self.stop_due = False
        return {"type": "tcp.stopping", "seconds": self.seconds}

    def send(self, message: Message) -> ReadyAwaitable | DrainAwaitable:
        """ASGI `send`. Raises ClientDisconnected, ResponseError or RuntimeError at the call."""
        kind, state = message["type"], self.state
        if self.disconnected and state != CLOSED:
            self.check_connected()
        if kind == "tcp.send" and state == ACCEPTED:
            data = checked_body(message.get("bytes", b""))
            more = bool(message.get("more", True))
            if not more:
                self.state = FINISHED
            self.tcp.send(data, not more)
        elif kind == "tcp.accept" and state == OFFERED:
            self.state = ACCEPTED
            self.wake_reader()
        elif kind == "tcp.close" and state != CLOSED:
            if message.get("abort", False):
                self.state = CLOSED
                self.reason = BY_APPLICATION
                self.tcp.abort()
                self.wake_reader()
            else:
                self.shut()
        else:
            raise RuntimeError(f"{kind!r} is not expected {EXPECTED[state]}")
        return DrainAwaitable(self) if self.is_congested() else READY

    def shut(self) -> None:
        """Close the connection for the application."""
        self.state = CLOSED
        self.reason = BY_APPLICATION
        self.body = []
        self.body_size = 0
        self.tcp.close()
        self.wake_reader()

    # From the carrier.

    def lose(self, reason: str) -> None:
        """Note that the connection is gone."""
        if self.state != CLOSED:
            self.reason = reason
        self.disconnect()

    def stop(self) -> None:
        """Note that the server stops."""
        self.stop_due = True
        self.unread_at_stop = bool(self.body) or (self.body_ended and not self.end_told)
        self.wake_reader()

    # For the awaitables.

    def is_congested(self) -> bool:
        return self.tcp.congested and not self.disconnected and self.state != CLOSED


mark_async(TcpCall.send)
