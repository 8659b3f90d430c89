"""ASGI UDP sockets (docs/reference/asgi-streams.md, UDP specification 1.0): one socket of one
worker, one call.

The datagrams that wait belong to the carrier, because they outlive a call: an application that
returns early is called again.
"""

from bascule.errors import ResponseError
from bascule.interfaces.asgi.awaitables import READY, DrainAwaitable, ReadyAwaitable
from bascule.interfaces.asgi.call import AsgiCaller, checked_body, mark_async
from bascule.interfaces.asgi.socket_call import SocketCall
from bascule.interfaces.exchange import Carrier
from bascule.types import Message, Scope

UDP_SPEC_VERSION = "1.0"

# Host and port.
Peer = tuple[str, int]


class UdpCarrier(Carrier):
    """The socket's side of the contract. `congested`: a datagram waits to be sent."""

    __slots__ = ()

    def next_datagram(self) -> tuple[bytes, Peer] | None:
        """Return the datagram that has waited longest, and its sender."""
        raise NotImplementedError

    def send_datagram(self, data: bytes, peer: Peer) -> None:
        """Send a datagram. Raises OSError."""
        raise NotImplementedError


class UdpCall(SocketCall):
    """One call of an ASGI application for a UDP socket.

    has_returned: the application has; it may be called again.
    """

    __slots__ = ("has_returned", "stopping", "udp")

    def __init__(
        self, interface: AsgiCaller, carrier: UdpCarrier, address: str, seconds: float
    ) -> None:
        """address: where datagrams are sent to, for logs."""
        super().__init__(interface, carrier, "UDP", address, seconds)
        self.udp = carrier
        self.stopping = False
        self.has_returned = False

    def note_return(self) -> None:
        """Forget the call: the application has returned."""
        self.has_returned = True
        SocketCall.note_return(self)

    def scope(self) -> Scope:
        """Return the UDP scope."""
        return self.common_scope("udp", UDP_SPEC_VERSION, self.udp.endpoint)

    def judge_return(self) -> None:
        """Report an application that has returned although the server does not stop."""
        if not self.stopping and not self.disconnected:
            self.log_failure(
                "returned although the server does not stop, and is called again", None
            )

    def fail(self, what: str, error: BaseException | None) -> None:
        """Log that the call has ended. There is no client to answer."""
        if error is not None or not self.disconnected:
            self.log_failure(what, error)

    def whereabouts(self) -> str:
        return "UDP socket open"

    # From the application.

    def next_message(self) -> Message | None:
        """Return the message that `receive` returns now, or None."""
        if self.disconnected:
            return {"type": "udp.disconnect"}
        datagram = self.udp.next_datagram()
        if datagram is not None:
            data, peer = datagram
            return {"type": "udp.receive", "bytes": data, "client": peer}
        if self.stop_due:
            self.stop_due = False
            return {"type": "udp.stopping", "seconds": self.seconds}
        return None

    def send(self, message: Message) -> ReadyAwaitable | DrainAwaitable:
        """ASGI `send`. Raises OSError, ResponseError or RuntimeError at the call."""
        kind = message["type"]
        if self.disconnected:
            self.check_connected()
        if kind != "udp.send":
            raise RuntimeError(f"{kind!r} is not expected for a UDP socket")
        self.udp.send_datagram(checked_body(message.get("bytes", b"")), checked_peer(message))
        return DrainAwaitable(self) if self.is_congested() else READY

    # From the carrier.

    def stop(self) -> None:
        """Note that the server stops, and that no further datagram comes."""
        self.stop_due = self.stopping = True
        self.wake_reader()

    # For the awaitables.

    def is_congested(self) -> bool:
        return self.udp.congested and not self.disconnected


mark_async(UdpCall.send)


def checked_peer(message: Message) -> Peer:
    """Return the receiver of a udp.send. Raises ResponseError."""
    try:
        host, port = message["client"]
    except (KeyError, TypeError, ValueError):
        raise ResponseError("udp.send needs client: a host and a port") from None
    if type(host) is not str or type(port) is not int:
        raise ResponseError("client of udp.send is not a host and a port")
    return host, port
