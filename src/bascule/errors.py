"""The exceptions that Bascule raises on purpose, and the exit codes of its processes.

    BasculeError
    ├── UsageError           the operator's fault: text on the terminal, exit code 2
    │   ├── SettingsError    wrong options, files or variables; has all findings
    │   ├── TargetError      TARGET names no application
    │   └── BindError        the server cannot listen on an address
    ├── StartupError         the application's fault: it did not start; exit code 3
    ├── RequestRefused       the client's fault: answered with `status`, then closed
    ├── MessageRefused       the client's fault: its WebSocket is closed with `code`
    ├── StreamRefused        the client's fault: its HTTP/2 stream is reset with `code`
    ├── FrameRefused         the client's fault: its HTTP/2 connection ends with `code`
    ├── ResponseError        the application's fault: HTTP does not allow its response
    └── ClientDisconnected   no fault: the client disconnected; an OSError, as ASGI requires
        └── WebSocketClosed  the WebSocket was closed, with `code`
    RequestTimeout           no Exception: ends a WSGI call that takes too long

The place of a class in the tree shows whose fault it is, and its fields contain the response.
"""

from collections.abc import Sequence

EXIT_OK = 0
EXIT_CRASH = 1  # an error that is not handled
EXIT_FORCED = 1  # a second signal ended the drain
EXIT_ORPHANED = 1  # the process that started this one is gone, and draining took too long
EXIT_FAILED = 1  # the server answered `bascule ctl` with an error
EXIT_USAGE = 2
EXIT_STARTUP = 3
EXIT_INTERRUPTED = 130  # what a shell shows for a program that SIGINT ended


class BasculeError(Exception):
    """The base class, for programs that embed the server."""


class UsageError(BasculeError):
    """The operator asked for something that is not possible. The message is shown without a
    traceback."""

    exit_code = EXIT_USAGE


class SettingsError(UsageError):
    """One or more settings are wrong.

    findings: one line for each, in the order found.
    """

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = tuple(findings)


class TargetError(UsageError):
    """TARGET names no application. The message shows what was found, and what to type instead."""


class BindError(UsageError):
    """The server cannot listen on an address. The message has the address, the reason and a
    remedy."""


class StartupError(BasculeError):
    """The application was found but did not start: its module raised, or its lifespan startup
    failed."""

    exit_code = EXIT_STARTUP


class RequestRefused(BasculeError):
    """A request breaks the protocol or a limit.

    status: of the response (RFC 9110 section 15).
    reason: one line for the client and the log.
    fields: further header fields of the response.
    """

    def __init__(
        self, status: int, reason: str, fields: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.fields = fields


class MessageRefused(BasculeError):
    """A WebSocket message or frame breaks the protocol or a limit.

    code: the close code (RFC 6455 section 7.4).
    reason: one line for the client and the log: ASCII, at most the 123 bytes that fit into a
        Close frame.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class StreamRefused(BasculeError):
    """A frame or a header block of an HTTP/2 stream breaks the protocol, and only that stream ends
    (RFC 9113 section 5.4.2).

    code: the error code (RFC 9113 section 7).
    reason: one line for the log.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameRefused(BasculeError):
    """A frame breaks HTTP/2 or a limit of the connection, which ends (RFC 9113 section 5.4.1).

    code: the error code (RFC 9113 section 7).
    reason: one line of ASCII for the client and the log.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class ResponseError(BasculeError, RuntimeError):
    """The application's response breaks HTTP: a forbidden byte, contradicting framing, a wrong
    length. Or the application sends something that is no WebSocket message.

    Raised in the application, by the call that is wrong.
    """


class ClientDisconnected(BasculeError, OSError):
    """The client closed the connection. Raised by `send()` of ASGI (HTTP specification 2.4) and by
    writes of WSGI."""


class WebSocketClosed(ClientDisconnected):
    """The WebSocket was closed before, by the client, the application or the server.

    code: the close code (RFC 6455 section 7.4.1); 1006 where there was no Close frame.
    reason: from the Close frame.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"the WebSocket is closed: {code}{' ' + reason if reason else ''}")
        self.code = code
        self.reason = reason


class RequestTimeout(BaseException):
    """The request has taken longer than `--request-timeout`: the client has got 504, and the call
    has to end. Raised inside a WSGI application, at any point of its code.

    Like asyncio.CancelledError, which ASGI applications get, it is no Exception: code that catches
    every error and tries again does not catch it. `finally` runs as always.
    """
