"""Which protocol a new connection speaks: by ALPN under TLS (RFC 7301), else by its first bytes.

A `Negotiation` is the first asyncio protocol of every connection. It decides as soon as it can,
hands the transport over, and is gone: nothing of it stays with the connection. Where only HTTP/1.1
is served there is nothing to find out, and the connection has its own protocol from the start.

A protocol that is chosen in the TLS handshake, or told by its first bytes, is one more branch
here.
"""

from typing import TYPE_CHECKING, Any

from bascule.connections.http1 import Http1Connection
from bascule.connections.hub import Hub
from bascule.connections.transport import CLOSING, ManagedTransport
from bascule.connections.transport_info import endpoint_of
from bascule.protocols.http2.frames import PREFACE

if TYPE_CHECKING:
    from bascule.protocols.proxy import ProxiedEnds

# RFC 9113 section 3.2.
HTTP2 = "h2"
# So many bytes of the preface of HTTP/2 are no method of HTTP/1.1.
PREFACE_TOLD = 4


class Negotiation:
    """The asyncio protocol of a connection until it is known what the client speaks."""

    __slots__ = ("early", "hub", "proxied", "transport")

    def __init__(self, hub: Hub, proxied: "ProxiedEnds | None" = None) -> None:
        """proxied: what a PROXY header has said of the connection's ends."""
        self.hub = hub
        self.proxied = proxied
        # A ManagedTransport, from connection_made on.
        self.transport: Any = None
        self.early = b""

    # Callbacks of the transport.

    def connection_made(self, raw: Any) -> None:
        """A client has connected (under TLS: and completed its handshake)."""
        hub = self.hub
        transport = ManagedTransport(hub, raw, endpoint_of(raw, self.proxied))
        transport.deadline = hub.now + hub.deadlines.request_head
        self.transport = transport
        hub.opened(self)
        if hub.draining:
            self.drain()
        if not hub.http2:
            self.become_http1(b"")
        elif chosen_protocol(raw) == HTTP2:
            self.become_http2(b"")

    def data_received(self, data: bytes) -> None:
        """The first bytes of the client, which tell HTTP/2 (RFC 9113 section 3.3), or do not
        yet."""
        if self.transport.phase >= CLOSING:
            return
        if self.early:
            data = self.early + data
        if not self.hub.http1 or data.startswith(PREFACE[:PREFACE_TOLD]):
            self.become_http2(data)
        elif len(data) < PREFACE_TOLD and PREFACE.startswith(data):
            self.early = data
        else:
            self.become_http1(data)

    def eof_received(self) -> bool:
        """The client has closed its sending side before it was known what it speaks."""
        if self.transport.phase >= CLOSING:
            return False
        connection = self.become_http1(self.early)
        return bool(connection.eof_received())

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone, from whichever side."""
        self.transport.lose()
        self.hub.closed(self)

    def pause_writing(self) -> None:
        """More is written than the client reads. Nothing is written here, but a transport may say
        so of what TLS has written."""
        self.transport.writing_paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.transport.writing_paused = False

    # The choice.

    def become_http1(self, data: bytes) -> Any:
        """The client speaks HTTP/1.1; `data` is what it has sent of it."""
        successor = Http1Connection(self.transport)
        self.transport.pass_on(self, successor)
        if data:
            successor.data_received(data)
        return successor

    def become_http2(self, data: bytes) -> None:
        """The client speaks HTTP/2; `data` is what it has sent of it."""
        # Imported lazily: most workers never see HTTP/2.
        from bascule.connections.http2 import Http2Connection

        successor = Http2Connection(self.transport)
        self.transport.pass_on(self, successor)
        successor.begin()
        if data:
            successor.data_received(data)

    # Called by the hub.

    def drain(self) -> None:
        """The worker stops: a client that has just connected gets a moment to ask."""
        hub = self.hub
        self.transport.deadline = hub.now + hub.deadlines.first_call

    def tick(self, now: float) -> None:
        """Check the deadline for the first bytes."""
        transport = self.transport
        if transport.phase >= CLOSING:
            transport.tick(now)
        elif now >= transport.deadline:
            transport.close()

    def abort(self) -> None:
        """Close now."""
        self.transport.abort()


def chosen_protocol(raw: Any) -> str | None:
    """Return the protocol that was agreed on in the TLS handshake (RFC 7301)."""
    secured = raw.get_extra_info("ssl_object")
    return None if secured is None else secured.selected_alpn_protocol()
