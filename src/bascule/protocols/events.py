"""The events that engines make of bytes, the same for every HTTP version.

A request arrives as one `Request`, then any number of `BodyData`, then one `BodyEnd`. A request
without a body has `Request.ended` set and nothing follows. `Refused` is the last event of a
connection: bytes behind it on the wire are ignored (CVE-2024-49768 shows the attack that is
possible otherwise).

On an HTTP/2 connection the events of its streams come mixed, each with its `stream_id`. There
`Refused` is the last event of a stream, and so is `StreamReset`; `ConnectionFailed` is the last of
the connection.

A WebSocket message arrives whole, as the `str` or the `bytes` that it is, without an object around
it. `Ping` and `Pong` come between messages; `PeerClosed`, `Failed` or `Lost` is the last event.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bascule.protocols.websocket.handshake import Offer


class Request:
    """The head of a request, checked.

    method: the method token, upper case as sent ("GET").
    target: the request target as sent, in origin form or asterisk form; absolute-form targets
        (RFC 9112 section 3.2.2) are reduced to their path and query, and `Host` is replaced by
        their authority.
    path: the part of the target before the "?", still percent-encoded.
    query: the part after the "?", without it.
    http_version: "1.0", "1.1" or "2".
    fields: (name, value) pairs in wire order, names in lower case, values without surrounding
        white space.
    content_length: the declared length of the body in bytes, -1 where none was declared.
    ended: there is no body.
    expects_continue: the client waits for 100 (Continue) before it sends the body (RFC 9110
        section 10.1.1).
    stream_id: the HTTP/2 stream, 0 in HTTP/1.1.
    websocket: the client's side of the handshake where the request asks for a WebSocket, else
        None.

    forwarding: whether fields of proxies may be among `fields`; False where an engine has found
        that there are none.

    The connection adds statements of trusted proxies before an interface sees the request:

    endpoint: the two ends as the proxies name them (an Endpoint of the interfaces), None for those
        of the connection.
    root_path: the path that a proxy has taken off the target, "" where it names none.
    """

    __slots__ = (
        "content_length",
        "ended",
        "endpoint",
        "expects_continue",
        "fields",
        "forwarding",
        "http_version",
        "method",
        "path",
        "query",
        "root_path",
        "stream_id",
        "target",
        "websocket",
    )

    def __init__(
        self,
        method: str,
        target: bytes,
        path: bytes,
        query: bytes,
        http_version: str,
        fields: list[tuple[bytes, bytes]],
        content_length: int,
        ended: bool,
        expects_continue: bool,
    ) -> None:
        self.fill(
            method,
            target,
            path,
            query,
            http_version,
            fields,
            content_length,
            ended,
            expects_continue,
        )

    def fill(
        self,
        method: str,
        target: bytes,
        path: bytes,
        query: bytes,
        http_version: str,
        fields: list[tuple[bytes, bytes]],
        content_length: int,
        ended: bool,
        expects_continue: bool,
    ) -> None:
        """Give every attribute its first value. An engine calls it of a request that `__new__` has
        made, because the arguments of a class's call are Python objects."""
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.http_version = http_version
        self.fields = fields
        self.content_length = content_length
        self.ended = ended
        self.expects_continue = expects_continue
        self.stream_id = 0
        self.websocket: Offer | None = None
        self.forwarding = True
        self.endpoint: Any = None
        self.root_path = ""

    def __repr__(self) -> str:
        line = f"{self.method} {self.target!r} HTTP/{self.http_version}"
        return f"<Request {line} fields={len(self.fields)}>"


class BodyData:
    """A piece of the request body, decoded from its transfer coding, never empty."""

    __slots__ = ("data", "stream_id")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.stream_id = 0

    def __repr__(self) -> str:
        return f"<BodyData {len(self.data)} bytes>"


class BodyEnd:
    """The request body is complete. `trailers` are kept apart from the fields (RFC 9110 section
    6.5.1)."""

    __slots__ = ("stream_id", "trailers")

    def __init__(self, trailers: Sequence[tuple[bytes, bytes]]) -> None:
        self.trailers = trailers
        self.stream_id = 0

    def __repr__(self) -> str:
        return f"<BodyEnd trailers={len(self.trailers)}>"


class Closed:
    """The peer will send no more. `clean` is False when it stopped in the middle of a request."""

    __slots__ = ("clean",)

    def __init__(self, clean: bool) -> None:
        self.clean = clean

    def __repr__(self) -> str:
        return f"<Closed clean={self.clean}>"


class Refused:
    """The request breaks the protocol or a limit: answer with `status`, `fields` in the head and
    `reason` as the body, then close; on an HTTP/2 stream only that stream ends."""

    __slots__ = ("fields", "reason", "status", "stream_id")

    def __init__(
        self, status: int, reason: str, fields: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.stream_id = 0

    def __repr__(self) -> str:
        return f"<Refused {self.status} {self.reason}>"


class StreamReset:
    """An HTTP/2 stream has ended early (RFC 9113 section 5.4.2): nothing more comes of it, and
    nothing can be sent on it.

    code: the error code (RFC 9113 section 7).
    by_peer: the client has reset it; else it was reset here, for `reason`.
    """

    __slots__ = ("by_peer", "code", "reason", "stream_id")

    def __init__(self, stream_id: int, code: int, reason: str, by_peer: bool) -> None:
        self.stream_id = stream_id
        self.code = code
        self.reason = reason
        self.by_peer = by_peer

    def __repr__(self) -> str:
        return f"<StreamReset {self.stream_id} {self.code} {self.reason}>"


class ConnectionFailed:
    """The peer breaks HTTP/2 or a limit of the connection (RFC 9113 section 5.4.1): all streams
    are gone; write what is left, which is a GOAWAY with `code`, and close."""

    __slots__ = ("code", "reason")

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason

    def __repr__(self) -> str:
        return f"<ConnectionFailed {self.code} {self.reason}>"


class Ping:
    """The peer asks for a Pong with the same payload (RFC 6455 section 5.5.2)."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def __repr__(self) -> str:
        return f"<Ping {self.payload!r}>"


class Pong:
    """The answer to a Ping, or an unsolicited sign of life (RFC 6455 section 5.5.3)."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def __repr__(self) -> str:
        return f"<Pong {self.payload!r}>"


class PeerClosed:
    """The peer's Close frame. `code` is 1005 where it carries none (RFC 6455 section 7.1.5)."""

    __slots__ = ("code", "reason")

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason

    def __repr__(self) -> str:
        return f"<PeerClosed {self.code} {self.reason!r}>"


class Failed:
    """The peer breaks the WebSocket protocol or a limit: close with `code` and `reason` (RFC 6455
    section 7.1.7)."""

    __slots__ = ("code", "reason")

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason

    def __repr__(self) -> str:
        return f"<Failed {self.code} {self.reason}>"


class Lost:
    """The peer will send no more, and no Close frame came: 1006 (RFC 6455 section 7.1.5)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<Lost>"
