"""The scenarios. Each names its app, its servers, and the expected answer."""

from dataclasses import dataclass

from apps import payloads
from djangosite.rows import top_rows

ASGI = ("bascule", "granian", "uvicorn")
# Newer servers, measured where they are fast.
ASGI_NEWER = ("peregrine", "h2corn", "freastal")
ASGI_SLOWER = ("gunicorn-asgi", "hypercorn", "daphne")
WSGI = ("bascule-wsgi", "bascule-wsgi-0", "granian-wsgi", "fastwsgi")
WSGI_NEWER = ("peregrine-wsgi", "peregrine-wsgi-1", "freastal-wsgi")
WSGI_SLOWER = ("gunicorn-gthread", "waitress")
WSGI_WITH_TLS = ("bascule-wsgi", "granian-wsgi", "peregrine-wsgi", "gunicorn-gthread")
ASGI_H2 = ("bascule", "granian-h2", "peregrine", "h2corn", "hypercorn")
WSGI_H2 = (
    "bascule-wsgi", "bascule-wsgi-1", "granian-wsgi-h2", "granian-wsgi-1-h2", "peregrine-wsgi",
    "peregrine-wsgi-1",
)  # fmt: skip
LARGE_H2 = ("bascule", "granian-h2")
WEBSOCKET = ("bascule-ws", "granian-ws", "uvicorn-ws")
WEBSOCKET_SLOWER = ("hypercorn", "daphne")
DJANGO_WSGI = ("bascule-wsgi", "granian-wsgi", "gunicorn-gthread")

DJANGO_CONNECTIONS = 32
ECHO_CONNECTIONS = 32
HTTP2_CONNECTIONS = 8
HTTP2_STREAMS = 16
MEMBERS = 1_000
IDLE_CONNECTIONS = 10_000
DJANGO_WSGI_APP = "djangosite.wsgi:application"
DJANGO_ASGI_APP = "djangosite.asgi:application"
DJANGO_BOTH_APPS = "djangosite.{interface}:application"
DJANGO_HYBRID = ("bascule-hybrid", "bascule-wsgi", "granian-wsgi", "bascule", "uvicorn")
ECHO_APP = "apps.{interface}:echo_websocket"

# The unit of a rate: requests, messages that arrive over WebSockets, or the bytes of a large body.
UNITS = {"": "req/s", "echo": "messages/s", "broadcast": "deliveries/s"}
TRANSFER_UNIT = "MB/s"


class WrongAnswer(Exception):
    """The server answered, but not what the app said; the text says what differs."""


@dataclass(frozen=True)
class Scenario:
    """One table of the results.

    `servers` are measured always, those in `slower` only with --all, to keep a run below an
    hour. With `is_closing` each request has a connection of its own.
    `ceiling` ("wsgi" or "asgi") also measures Django's own handler called in a loop.
    `is_main` puts it into --quick. `expected` is the body that must come back: bytes, or what
    its JSON says. `websocket` ("echo", "broadcast" or "idle") says that `app` speaks WebSocket,
    and what is done with it; `expected` is then the message, a str to travel as text. `app` may
    hold {interface}, for servers of both kinds in one table. `streams` is 0 for HTTP/1.1; else
    HTTP/2 is spoken, with so many requests at once on each connection. `transfer` ("upload" or
    "download") sends one body of payloads.LARGE_SIZE, and watches the server's memory meanwhile;
    `path` and `expected` are then those of the check before it.
    """

    name: str
    title: str
    app: str
    servers: tuple[str, ...]
    expected: bytes | str | dict
    slower: tuple[str, ...] = ()
    path: str = "/"
    connections: int = 64
    post_size: int = 0
    with_tls: bool = False
    is_closing: bool = False
    ceiling: str = ""
    websocket: str = ""
    streams: int = 0
    transfer: str = ""
    is_main: bool = False

    @property
    def unit(self) -> str:
        return TRANSFER_UNIT if self.transfer else UNITS[self.websocket]

    @property
    def scheme(self) -> str:
        return "https" if self.with_tls else "http"

    def chosen(self, every: bool) -> tuple[str, ...]:
        return self.servers + self.slower if every else self.servers


def _both(name: str, title: str, app: str, expected: bytes | dict, **more) -> tuple[Scenario, ...]:
    """The same scenario once for the ASGI servers and once for the WSGI servers."""
    return (
        Scenario(
            f"asgi-{name}",
            f"ASGI: {title}",
            f"apps.asgi:{app}",
            ASGI,
            expected,
            ASGI_SLOWER,
            **more,
        ),
        Scenario(
            f"wsgi-{name}",
            f"WSGI: {title}",
            f"apps.wsgi:{app}",
            WSGI,
            expected,
            WSGI_SLOWER,
            **more,
        ),
    )


def _django(view: str, title: str, expected: bytes | dict) -> tuple[Scenario, ...]:
    more = _view(view)
    extra = ("bascule-wsgi-1", "bascule-wsgi-0", "fastwsgi") if view == "sync" else ()
    return (
        Scenario(
            f"django-{view}-wsgi", f"Django through WSGI: {title}", DJANGO_WSGI_APP,
            DJANGO_WSGI + extra, expected, ("waitress",), ceiling="wsgi", **more,
        ),
        Scenario(
            f"django-{view}-asgi", f"Django through ASGI: {title}", DJANGO_ASGI_APP,
            ASGI, expected, ASGI_SLOWER, ceiling="asgi", **more,
        ),
        _hybrid(view, title, expected, ("granian-wsgi-1",) if view == "sync" else ()),
    )  # fmt: skip


def _hybrid(
    view: str, title: str, expected: bytes | dict, servers: tuple[str, ...] = ()
) -> Scenario:
    """Beside both of the ways it chooses from, so that what the choice costs can be seen."""
    return Scenario(
        f"django-{view}-hybrid", f"Django, each view by its own interface: {title}",
        DJANGO_BOTH_APPS, DJANGO_HYBRID + servers, expected, **_view(view),
    )  # fmt: skip


def _view(view: str) -> dict:
    """The options that all scenarios of Django have in common."""
    return {"path": f"/{view}/", "connections": DJANGO_CONNECTIONS, "is_main": True}


def _http2(name: str, title: str, app: str, servers: tuple[str, ...], **more) -> Scenario:
    return Scenario(
        name, title, app, servers, payloads.HELLO, connections=HTTP2_CONNECTIONS,
        streams=HTTP2_STREAMS, is_main=True, **more,
    )  # fmt: skip


def _large(transfer: str, **check) -> Scenario:
    """One body of a GB, after the check of a small one."""
    return Scenario(
        f"asgi-h2-{transfer}", f"ASGI over HTTP/2: {transfer} of 1 GB", "apps.asgi:large",
        LARGE_H2, connections=1, streams=1, transfer=transfer, **check,
    )  # fmt: skip


TABLE = (
    Scenario(
        "asgi-hello", "ASGI: hello world", "apps.asgi:hello", ASGI + ASGI_NEWER + ASGI_SLOWER,
        payloads.HELLO, is_main=True,
    ),
    Scenario(
        "wsgi-hello", "WSGI: hello world", "apps.wsgi:hello",
        (*WSGI, "bascule-wsgi-1", "granian-wsgi-1", *WSGI_NEWER, *WSGI_SLOWER), payloads.HELLO,
        is_main=True,
    ),
    Scenario(
        "asgi-close", "ASGI: hello world, a connection for each request", "apps.asgi:hello",
        ASGI + ASGI_NEWER, payloads.HELLO, ASGI_SLOWER, is_closing=True,
    ),
    Scenario(
        "wsgi-close", "WSGI: hello world, a connection for each request", "apps.wsgi:hello",
        (*WSGI, "bascule-wsgi-1", "granian-wsgi-1", *WSGI_NEWER), payloads.HELLO, WSGI_SLOWER,
        is_closing=True,
    ),
    Scenario(
        "asgi-tls", "ASGI: hello world over TLS", "apps.asgi:hello", ASGI + ASGI_NEWER,
        payloads.HELLO,
        ASGI_SLOWER, with_tls=True, is_main=True,
    ),
    Scenario(
        "wsgi-tls", "WSGI: hello world over TLS", "apps.wsgi:hello", WSGI_WITH_TLS, payloads.HELLO,
        with_tls=True,
    ),
    Scenario(
        "access-log", "ASGI: hello world, access log off and on", "apps.asgi:hello",
        ("bascule", "bascule-log", "uvicorn", "uvicorn-log"), payloads.HELLO, is_main=True,
    ),
    _http2("asgi-h2", "ASGI: hello world over HTTP/2", "apps.asgi:hello", ASGI_H2),
    _http2("wsgi-h2", "WSGI: hello world over HTTP/2", "apps.wsgi:hello", WSGI_H2),
    _http2(
        "asgi-h2-tls", "ASGI: hello world over HTTP/2 and TLS", "apps.asgi:hello", ASGI_H2,
        with_tls=True,
    ),
    *_both("hello-1", "hello world, 1 connection", "hello", payloads.HELLO, connections=1),
    *_both("hello-512", "hello world, 512 connections", "hello", payloads.HELLO, connections=512),
    *_both("10k", "10 KB body", "ten_kb", payloads.TEN_KB),
    *_both("json", "JSON", "json_", payloads.JSON),
    *_both("echo", "POST echo of 64 KB", "echo", payloads.ECHO, post_size=payloads.ECHO_SIZE),
    *_both("file", "100 KB file", "file", payloads.FILE),
    *_both("stream", "streaming, 20 chunks of 1 KB", "stream", payloads.STREAM),
    _large("upload", post_size=payloads.ECHO_SIZE, path="/echo", expected=payloads.ECHO),
    _large("download", path=f"/{len(payloads.TEN_KB)}", expected=payloads.TEN_KB),
    *_django("sync", "sync view", payloads.HELLO),
    *_django("async", "async view", payloads.HELLO),
    *_django("orm", "sync view with an ORM query", {"questions": top_rows()}),
    _hybrid(
        "orm-lasting", "sync view with an ORM query and CONN_MAX_AGE", {"questions": top_rows()}
    ),
    Scenario(
        "ws-echo-64", "WebSocket: echo of 64 bytes", ECHO_APP,
        (*WEBSOCKET, "bascule-wsgi-ws", "picows"), payloads.MESSAGE_64, WEBSOCKET_SLOWER,
        connections=ECHO_CONNECTIONS, websocket="echo", is_main=True,
    ),
    Scenario(
        "ws-echo-16k", "WebSocket: echo of 16 KB", ECHO_APP,
        (*WEBSOCKET, "bascule-wsgi-ws", "picows"), payloads.MESSAGE_16K, WEBSOCKET_SLOWER,
        connections=ECHO_CONNECTIONS, websocket="echo",
    ),
    Scenario(
        "ws-broadcast", "WebSocket: broadcast to 1,000 connections", "apps.{interface}:broadcast",
        (*WEBSOCKET, "picows"), payloads.MESSAGE_64, connections=MEMBERS, websocket="broadcast",
    ),
)  # fmt: skip

SCENARIOS = {scenario.name: scenario for scenario in TABLE}

# One app started in several servers, to time the start and to weigh the memory.
WEIGHINGS = (
    Scenario(
        "weigh-asgi", "ASGI hello world", "apps.asgi:hello", ASGI, payloads.HELLO, ASGI_SLOWER,
        is_main=True,
    ),
    Scenario(
        "weigh-wsgi", "WSGI hello world", "apps.wsgi:hello", WSGI, payloads.HELLO, WSGI_SLOWER,
        is_main=True,
    ),
    Scenario(
        "weigh-django-asgi", "Django through ASGI", DJANGO_ASGI_APP, ASGI, payloads.HELLO,
        ASGI_SLOWER, path="/sync/", connections=DJANGO_CONNECTIONS,
    ),
    Scenario(
        "weigh-django-wsgi", "Django through WSGI", DJANGO_WSGI_APP, DJANGO_WSGI, payloads.HELLO,
        ("waitress", "fastwsgi"), path="/sync/", connections=DJANGO_CONNECTIONS,
    ),
    Scenario(
        "ws-idle", "WebSocket: 10,000 idle connections", ECHO_APP, WEBSOCKET, payloads.MESSAGE_64,
        connections=IDLE_CONNECTIONS, websocket="idle",
    ),
)  # fmt: skip
