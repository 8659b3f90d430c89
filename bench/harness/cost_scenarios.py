"""The scenarios of `make cost`: each is a server's arguments and a client."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from apps import payloads
from clients import counted
from clients.counted import Client
from harness.certificate import CERT, KEY
from harness.environment import WORK

FILES = WORK / "cost-files"
FILE_1K = b"0123456789abcdef" * 64

ASGI = ("--interface", "asgi")
WSGI = ("--interface", "wsgi", "--threads")
LIMIT = ("--limit-connections", "20000")
TLS = ("--ssl-certfile", str(CERT), "--ssl-keyfile", str(KEY))
STATIC = ("--static", f"/static={FILES}")
DJANGO_ASGI, DJANGO_WSGI = "djangosite.asgi:application", "djangosite.wsgi:application"


@dataclass(frozen=True)
class Counted:
    """`client` makes a client for a port. `requests` are enough for a result that is exact to a
    percent, and few enough for a run of seconds; one exchange of the client is `at_once` of them.
    `wanted` are the instructions to reach, if there is such a goal.
    """

    title: str
    app: str
    arguments: tuple[str, ...]
    client: Callable[[int], Client]
    requests: int = 1000
    at_once: int = 1
    wanted: int | None = None


def http1(
    request: bytes = counted.HOST_ONLY,
    expected: bytes = payloads.HELLO,
    path: str = "/",
    kind: type[counted.Http1Client | counted.ConcurrentClient] = counted.Http1Client,
) -> Callable[[int], Client]:
    whole = request.replace(b"{path}", path.encode())
    return partial(kind, request=whole, expected=expected)


TEN_KB = http1(expected=payloads.TEN_KB)
UPLOAD = http1(counted.UPLOAD % payloads.ECHO_SIZE + payloads.ECHO, payloads.ECHO)
CLOSING = http1(
    counted.HOST_ONLY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    kind=counted.ReconnectingClient,
)
MANY = counted.ConcurrentClient.CONNECTIONS
CONCURRENT = http1(kind=counted.ConcurrentClient)
SYNC_VIEW = http1(path="/sync/")
HTTP2 = partial(counted.Http2Client, path="/", expected=payloads.HELLO)
ECHO = partial(counted.EchoClient, path="/", message=payloads.MESSAGE_64.encode())

COUNTED = {
    "asgi-hello": Counted(
        "ASGI hello, Host only", "apps.asgi:hello", ASGI, http1(), wanted=26_000
    ),
    "asgi-browser": Counted(
        "ASGI hello, a browser's head", "apps.asgi:hello", ASGI, http1(counted.BROWSER),
        wanted=40_000,
    ),
    "asgi-many": Counted(
        f"ASGI hello, {MANY} connections", "apps.asgi:hello", ASGI, CONCURRENT, MANY * 60,
        at_once=MANY,
    ),
    "asgi-10k": Counted("ASGI, body of 10 KB", "apps.asgi:ten_kb", ASGI, TEN_KB),
    "asgi-post": Counted("ASGI, POST echo of 64 KB", "apps.asgi:echo", ASGI, UPLOAD),
    "asgi-close": Counted(
        "ASGI hello, a connection each", "apps.asgi:hello", ASGI + LIMIT, CLOSING
    ),
    "asgi-tls": Counted(
        "ASGI hello over TLS", "apps.asgi:hello", ASGI + TLS, http1(kind=counted.TlsClient)
    ),
    "asgi-h2": Counted("ASGI hello over HTTP/2", "apps.asgi:hello", ASGI, HTTP2),
    "asgi-log": Counted(
        "ASGI hello, with the access log", "apps.asgi:hello", (*ASGI, "--access-log"), http1()
    ),
    "wsgi-hello-0": Counted(
        "WSGI hello, --threads 0", "apps.wsgi:hello", (*WSGI, "0"), http1(), wanted=18_000
    ),
    "wsgi-hello-4": Counted(
        "WSGI hello, --threads 4", "apps.wsgi:hello", (*WSGI, "4"), http1()
    ),
    "wsgi-many": Counted(
        f"WSGI hello, --threads 4, {MANY} connections", "apps.wsgi:hello", (*WSGI, "4"),
        CONCURRENT, MANY * 60, at_once=MANY,
    ),
    "wsgi-browser-4": Counted(
        "WSGI hello, a browser's head, --threads 4", "apps.wsgi:hello", (*WSGI, "4"),
        http1(counted.BROWSER),
    ),
    "wsgi-10k": Counted("WSGI, body of 10 KB", "apps.wsgi:ten_kb", (*WSGI, "4"), TEN_KB),
    "wsgi-post": Counted("WSGI, POST echo of 64 KB", "apps.wsgi:echo", (*WSGI, "4"), UPLOAD),
    "wsgi-close": Counted(
        "WSGI hello, a connection each", "apps.wsgi:hello", (*WSGI, "4", *LIMIT), CLOSING
    ),
    "wsgi-h2": Counted("WSGI hello over HTTP/2", "apps.wsgi:hello", (*WSGI, "4"), HTTP2),
    "websocket": Counted(
        "WebSocket echo of 64 bytes", "apps.asgi:echo_websocket", ASGI, ECHO
    ),
    "static": Counted(
        "a static file of 1 KB", "apps.asgi:hello", ASGI + STATIC,
        http1(expected=FILE_1K, path="/static/1k.bin"),
    ),
    "django-wsgi": Counted("Django's sync view, WSGI", DJANGO_WSGI, (*WSGI, "4"), SYNC_VIEW, 400),
    "django-asgi": Counted("Django's sync view, ASGI", DJANGO_ASGI, ASGI, SYNC_VIEW, 400),
    "django-hybrid": Counted(
        "Django's sync view, both sides", "djangosite", ("--threads", "4"), SYNC_VIEW, 400
    ),
}  # fmt: skip
