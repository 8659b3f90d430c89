"""What an engine says about the bytes it was given. The same for every HTTP version.

A request arrives as one `Request`, then any number of `BodyData`, then one `BodyEnd`. A request
without a body has `Request.ended` set and nothing follows. `Refused` is the last event of a
connection: nothing that came after it on the wire is looked at (CVE-2024-49768 is what happens
otherwise).
"""

from collections.abc import Sequence


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
    scheme: "http" or "https" where the protocol itself says so (HTTP/2), else "".
    content_length: the declared length of the body in octets, -1 where none was declared.
    ended: there is no body.
    expects_continue: the client waits for 100 (Continue) before it sends the body (RFC 9110
    section 10.1.1).
    stream_id: the HTTP/2 stream, 0 in HTTP/1.1.
    """

    __slots__ = (
        "content_length",
        "ended",
        "expects_continue",
        "fields",
        "http_version",
        "method",
        "path",
        "query",
        "scheme",
        "stream_id",
        "target",
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
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.http_version = http_version
        self.fields = fields
        self.scheme = ""
        self.content_length = content_length
        self.ended = ended
        self.expects_continue = expects_continue
        self.stream_id = 0

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
        return f"<BodyData {len(self.data)} octets>"


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
    """The request breaks the protocol or a limit: answer `status`, say `reason`, close."""

    __slots__ = ("reason", "status", "stream_id")

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        self.stream_id = 0

    def __repr__(self) -> str:
        return f"<Refused {self.status} {self.reason}>"
