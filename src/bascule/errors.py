"""Every exception Bascule raises on purpose.

    BasculeError
    ├── UsageError           the operator's fault: text on the terminal, exit code 2
    │   ├── SettingsError    wrong options, files or variables; carries all findings
    │   ├── TargetError      the application could not be found, or is none
    │   └── BindError        an address could not be listened on
    ├── StartupError         the application's fault: it did not start; exit code 3
    ├── RequestRefused       the client's fault: answered with `status`, then closed
    ├── MessageRefused       the client's fault: its WebSocket is closed with `code`
    ├── StreamRefused        the client's fault: its HTTP/2 stream is reset with `code`
    ├── FrameRefused         the client's fault: its HTTP/2 connection ends with `code`
    ├── ResponseError        the application's fault: HTTP does not allow what it sent
    └── ClientDisconnected   nobody's fault: the client left; an OSError, as ASGI asks
        └── WebSocketClosed  the WebSocket was closed; says with which code
    RequestTimeout           no Exception: a WSGI call that takes too long is to end

Each says whose fault it is by its place in the tree, and what to answer by its fields.
"""

from collections.abc import Sequence

# Exit codes of all processes, in one place.
EXIT_OK = 0
EXIT_CRASH = 1  # an error that nothing has handled
EXIT_FORCED = 1  # a second signal ended the drain
EXIT_ORPHANED = 1  # the process that started this one is gone, and draining took too long
EXIT_FAILED = 1  # the server answered `bascule ctl` with an error
EXIT_USAGE = 2
EXIT_STARTUP = 3
EXIT_INTERRUPTED = 130  # what a shell shows for a program that SIGINT ended


class BasculeError(Exception):
    """Root of all of them, for callers who embed the server."""


class UsageError(BasculeError):
    """What the operator asked for cannot be done. The message is shown as it is, without a
    traceback."""

    exit_code = EXIT_USAGE


class SettingsError(UsageError):
    """One or more settings are wrong. `findings` has one readable line for each, in the order
    found."""

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = tuple(findings)


class TargetError(UsageError):
    """The target names no application. The message shows what was found and what to type
    instead."""


class BindError(UsageError):
    """An address cannot be listened on. The message names the address, the reason and a way
    out."""


class StartupError(BasculeError):
    """The application was found but did not start: its module raised, or its lifespan startup
    failed."""

    exit_code = EXIT_STARTUP


class RequestRefused(BasculeError):
    """A request breaks the protocol or a limit.

    `status` is the response to give (RFC 9110 section 15), `reason` one line for the client and
    the log, `fields` what the response says beside it in its head.
    """

    def __init__(
        self, status: int, reason: str, fields: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.fields = fields


class MessageRefused(BasculeError):
    """What came over a WebSocket breaks the protocol or a limit.

    `code` is the close code (RFC 6455 section 7.4), `reason` one line for the client and the log:
    ASCII, at most the 123 octets that fit into a Close frame.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class StreamRefused(BasculeError):
    """A frame or a header block of an HTTP/2 stream breaks the protocol, and only that stream ends
    (RFC 9113 section 5.4.2).

    `code` is the error code (RFC 9113 section 7), `reason` one line for the log.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameRefused(BasculeError):
    """A frame breaks HTTP/2 or a limit of the connection, which ends (RFC 9113 section 5.4.1).

    `code` is the error code (RFC 9113 section 7), `reason` one line of ASCII for the client and
    the log.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class ResponseError(BasculeError, RuntimeError):
    """The application's response breaks HTTP: a forbidden octet, contradicting framing, a wrong
    length; or what it sends over a WebSocket is nothing that a WebSocket can carry.

    Raised into the application at the call that did it.
    """


class ClientDisconnected(BasculeError, OSError):
    """The client closed the connection. Raised by ASGI `send()` (HTTP specification 2.4) and WSGI
    writes."""


class WebSocketClosed(ClientDisconnected):
    """A WebSocket is used that was closed, by the client, the application or the server.

    `code` and `reason` say how (RFC 6455 section 7.4.1); 1006 where there was no Close frame.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"the WebSocket is closed: {code}{' ' + reason if reason else ''}")
        self.code = code
        self.reason = reason


class RequestTimeout(BaseException):
    """Raised inside a WSGI application, wherever it is, when its request has passed
    `--request-timeout`: the client has had its 504, and the call is to end.

    Like asyncio.CancelledError, which ASGI applications get, it is no Exception: code that catches
    whatever goes wrong and tries again does not catch this. `finally` runs as always.
    """
