"""The client of a request: fields of proxies and PROXY headers, on every interface."""

import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from support import proxy
from support.asgi import read_body, respond
from support.certificates import Certificates
from support.flag import DEADLINE
from support.http import RawClient
from support.inprocess import Served
from support.websocket_client import KEY

Make = Callable[..., Served]

CLIENT = "198.51.100.7"
BELIEVED = (
    "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port,x-forwarded-prefix,"
    "forwarded"
)
UNTRUSTED = {"forwarded_allow_ips": "10.0.0.0/8"}


@dataclass
class Seen:
    """The view of a request that an application has, on any interface."""

    client: tuple[str, int] | None
    scheme: str
    server: tuple[str, int] | None
    root_path: str
    path: str
    host: str
    names: set[str]
    raw: Any


class AsgiApp:
    """Answers, and keeps what it saw."""

    interface = "asgi3"

    def __init__(self) -> None:
        self.seen: SimpleQueue[Seen] = SimpleQueue()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        fields = dict(scope["headers"])
        client, server = scope["client"], scope["server"]
        self.seen.put(
            Seen(
                client and tuple(client),
                scope["scheme"],
                server and tuple(server),
                scope["root_path"],
                scope["path"].removeprefix(scope["root_path"]),
                fields.get(b"host", b"").decode(),
                {name.decode().upper().replace("-", "_") for name in fields},
                scope,
            )
        )
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
            return
        await read_body(receive)
        await respond(send, b"ok")


class WsgiApp:
    """The same by WSGI."""

    interface = "wsgi"

    def __init__(self) -> None:
        self.seen: SimpleQueue[Seen] = SimpleQueue()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        address = environ["REMOTE_ADDR"]
        self.seen.put(
            Seen(
                (address, int(environ.get("REMOTE_PORT", 0))) if address else None,
                environ["wsgi.url_scheme"],
                (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
                environ["SCRIPT_NAME"],
                environ["PATH_INFO"],
                environ.get("HTTP_HOST", ""),
                {key.removeprefix("HTTP_") for key in environ if key.startswith("HTTP_")},
                environ,
            )
        )
        assert (environ.get("HTTPS") == "on") is (environ["wsgi.url_scheme"] == "https")
        start_response("200 OK", [])
        return [b"ok"]


class Site:
    """An application that is served, and asked."""

    def __init__(self, served: Served, app: Any) -> None:
        self.served = served
        self.app = app

    @property
    def port(self) -> int:
        return self.served.port

    def next(self) -> Seen:
        seen: Seen = self.app.seen.get(timeout=DEADLINE)
        return seen

    def ask(self, *fields: tuple[str, str], target: str = "/") -> Seen:
        """One request on a connection of its own."""
        assert self.served.request("GET", target, list(fields)).status == 200
        return self.next()

    def raw(self, data: bytes, tls: ssl.SSLContext | None = None) -> "RawClient":
        """A connection that begins with these."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        sock.sendall(data)
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname="127.0.0.1")
        return RawClient(sock=sock)


@pytest.fixture(params=[AsgiApp, WsgiApp], ids=["asgi", "wsgi"])
def serve_site(request: pytest.FixtureRequest, served: Make) -> Callable[..., Site]:
    """Serve an application that shows what it saw, by each interface."""

    def start(**options: Any) -> Site:
        app = request.param()
        extra = {"lifespan": "off", "interface": app.interface, **options}
        return Site(served(app, **extra).start(), app)

    return start


@pytest.fixture
def unix_listener() -> Iterator[socket.socket]:
    with (
        tempfile.TemporaryDirectory(prefix="bascule-") as directory,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        listener.bind(str(Path(directory) / "s"))
        listener.listen(16)
        yield listener


def unix_client(listener: socket.socket) -> RawClient:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(DEADLINE)
    sock.connect(listener.getsockname())
    return RawClient(sock=sock)


def ask(client: RawClient, *fields: tuple[str, str]) -> int:
    client.request("GET", "/", fields)
    return client.read_response().status


# Fields of trusted proxies.


def test_client_and_scheme(serve_site: Callable[..., Site]) -> None:
    """The fields used by default, from a proxy on the same machine."""
    site = serve_site()
    seen = site.ask(("X-Forwarded-For", f"6.6.6.6, {CLIENT}"), ("X-Forwarded-Proto", "https"))
    assert (seen.client, seen.scheme) == ((CLIENT, 0), "https")
    assert seen.server == ("127.0.0.1", site.port)
    assert (seen.host, seen.root_path, seen.path) == ("127.0.0.1", "", "/")
    if site.app.interface == "wsgi":
        assert "REMOTE_PORT" not in seen.raw


def test_requests_of_a_connection_have_clients_of_their_own(
    serve_site: Callable[..., Site],
) -> None:
    site = serve_site()
    client = site.served.connect()
    client.request("GET", "/", [("X-Forwarded-For", f"{CLIENT}:4321")])
    assert site.next().client == (CLIENT, 4321)
    client.request("GET", "/", [("X-Forwarded-Proto", "https")])
    seen = site.next()
    assert (seen.client, seen.scheme) == (client.address, "https")
    client.request("GET", "/")
    seen = site.next()
    assert (seen.client, seen.scheme) == (client.address, "http")


def test_host_port_and_prefix_are_not_believed_unasked(serve_site: Callable[..., Site]) -> None:
    """A proxy that does not set them passes on the client's. An application that wants them can
    have them, as it could before."""
    site = serve_site()
    seen = site.ask(
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Prefix", "/evil"),
        ("Forwarded", "for=6.6.6.6;proto=https;host=evil.example"),
    )
    assert (seen.host, seen.root_path, seen.scheme) == ("127.0.0.1", "", "http")
    assert seen.server == ("127.0.0.1", site.port)
    assert {"X_FORWARDED_HOST", "X_FORWARDED_PORT", "FORWARDED"} <= seen.names


@pytest.mark.parametrize(
    ("fields", "host", "server"),
    [
        ([("X-Forwarded-Host", "example.com")], "example.com", ("example.com", 80)),
        ([("X-Forwarded-Host", "example.com:81")], "example.com:81", ("example.com", 81)),
        ([("X-Forwarded-Host", "[::1]:81")], "[::1]:81", ("::1", 81)),
        ([("X-Forwarded-Host", "[::1]")], "[::1]", ("::1", 80)),
        (
            [("X-Forwarded-Host", "example.com"), ("X-Forwarded-Proto", "https")],
            "example.com",
            ("example.com", 443),
        ),
        (
            [
                ("X-Forwarded-Host", "example.com:81"),
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Port", "443"),
            ],
            "example.com",
            ("example.com", 443),
        ),
        ([("X-Forwarded-Port", "81")], "127.0.0.1:81", ("127.0.0.1", 81)),
        ([("X-Forwarded-Port", "80")], "127.0.0.1", ("127.0.0.1", 80)),
        (
            [("Forwarded", 'for=198.51.100.7;proto=https;host="example.com:8443"')],
            "example.com:8443",
            ("example.com", 8443),
        ),
    ],
)
def test_host_and_port(
    serve_site: Callable[..., Site],
    fields: list[tuple[str, str]],
    host: str,
    server: tuple[str, int],
) -> None:
    seen = serve_site(forwarded_headers=BELIEVED).ask(*fields)
    assert (seen.host, seen.server) == (host, server)


@pytest.mark.parametrize("target", ["/cart", "/shop/cart"])
def test_prefix(serve_site: Callable[..., Site], target: str) -> None:
    """It wins over --root-path: it is what the proxy has done with this request."""
    site = serve_site(forwarded_headers=BELIEVED, root_path="/fixed")
    seen = site.ask(("X-Forwarded-Prefix", "/shop/"), target=target)
    assert seen.root_path == "/shop"
    if site.app.interface == "wsgi" or target == "/cart":
        assert seen.path == "/cart"
    seen = site.ask(target="/cart")
    assert (seen.root_path, seen.path) == ("/fixed", "/cart")


def test_forwarded(serve_site: Callable[..., Site]) -> None:
    seen = serve_site(forwarded_headers="forwarded").ask(
        ("Forwarded", f'for=6.6.6.6, for="{CLIENT}:81";proto=https'),
        ("X-Forwarded-For", "6.6.6.6"),
    )
    assert (seen.client, seen.scheme) == ((CLIENT, 81), "https")


def test_http_1_0_without_a_host(serve_site: Callable[..., Site]) -> None:
    site = serve_site(forwarded_headers=BELIEVED)
    with site.raw(b"GET / HTTP/1.0\r\nX-Forwarded-Port: 81\r\n\r\n") as client:
        assert client.read_response().status == 200
    assert site.next().server == ("127.0.0.1", 81)


@pytest.mark.parametrize(
    "fields",
    [
        [("X-Forwarded-For", "localhost")],
        [("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "ftp")],
        [("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "http, https")],
        [("X-Forwarded-For", CLIENT), ("X-Forwarded-Host", "a b")],
        [("X-Forwarded-For", CLIENT), ("X-Forwarded-Host", "example.com:99999")],
        [("X-Forwarded-For", CLIENT), ("X-Forwarded-Prefix", "//evil.example")],
        [("X-Forwarded-For", CLIENT), ("Forwarded", "for=6.6.6.6")],
        [("X-Forwarded-For", CLIENT), ("Forwarded", "for=")],
    ],
)
def test_nothing_of_what_is_malformed_or_contradictory_is_believed(
    serve_site: Callable[..., Site], fields: list[tuple[str, str]]
) -> None:
    """Nor is the proxy taken for the client."""
    site = serve_site(forwarded_headers=BELIEVED)
    seen = site.ask(*fields, ("X-Real-IP", CLIENT))
    assert (seen.client, seen.scheme, seen.root_path) == (None, "http", "")
    assert (seen.host, seen.server) == ("127.0.0.1", ("127.0.0.1", site.port))
    assert seen.names == {"HOST"}
    assert "fields of a proxy that cannot be used" in site.served.taken_log()


# Fields of other peers.

SPELLINGS = [
    "X-Forwarded-For",
    "x-forwarded-for",
    "X-FORWARDED-FOR",
    "x-FoRwArDeD-fOr",
    "X_Forwarded_For",
    "X-Forwarded_For",
    "x_forwarded-for",
    "X-Forwarded-Proto",
    "X_FORWARDED_PROTO",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-Protocol",
    "X-Forwarded-Server",
    "X-Forwarded-By",
    "X-Forwarded-User",
    "X-Forwarded",
    "Forwarded",
    "FORWARDED",
    "X-Real-IP",
    "X_Real_IP",
    "X-Client-IP",
    "Client-IP",
    "True-Client-IP",
    "X-Cluster-Client-IP",
    "CF-Connecting-IP",
    "X-Original-Forwarded-For",
    "X-Scheme",
    "X-HTTPS",
    "Front-End-Https",
    "X-Host",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Script-Name",
    "Client-Cert",
]


@pytest.mark.parametrize("header_map", ["drop", "dangerous"])
def test_no_spelling_of_an_untrusted_peer_reaches_the_application(
    serve_site: Callable[..., Site], header_map: str
) -> None:
    """CVE-2022-2255; underscores are what --header-map dangerous lets through else."""
    site = serve_site(**UNTRUSTED, header_map=header_map)
    client = site.served.connect()
    for name in SPELLINGS:
        fields = [(name, "6.6.6.6"), ("X-Other", "1"), (name, "https")]
        assert client.request("GET", "/", fields).status == 200
        seen = site.next()
        assert (seen.client, seen.scheme) == (client.address, "http"), name
        assert seen.names == {"HOST", "X_OTHER"}, name
    assert "is no trusted proxy (--forwarded-allow-ips)" in site.served.taken_log()


def test_spellings_with_underscores_are_not_a_trusted_proxys_either(
    serve_site: Callable[..., Site],
) -> None:
    """A proxy that passes on a client's X_Forwarded_For has set X-Forwarded-For beside it, and an
    environ would have both under one key."""
    site = serve_site(header_map="dangerous")
    seen = site.ask(("X_Forwarded_For", "6.6.6.6"), ("X-Forwarded-For", CLIENT), ("X_Other", "1"))
    assert seen.client == (CLIENT, 0)
    assert seen.names == {"HOST", "X_FORWARDED_FOR", "X_OTHER"}
    if site.app.interface == "wsgi":
        assert seen.raw["HTTP_X_FORWARDED_FOR"] == CLIENT
    else:
        assert b"x_forwarded_for" not in dict(seen.raw["headers"])


def test_from_a_trusted_proxy_the_application_gets_them_all(
    serve_site: Callable[..., Site],
) -> None:
    names = [name for name in SPELLINGS if "_" not in name and "Proto" not in name]
    site = serve_site()
    seen = site.ask(*((name, CLIENT) for name in dict.fromkeys(map(str.lower, names))))
    assert {name.upper().replace("-", "_") for name in names} <= seen.names


def test_no_proxy_headers_leaves_all_to_the_application(serve_site: Callable[..., Site]) -> None:
    site = serve_site(**UNTRUSTED, proxy_headers=False)
    client = site.served.connect()
    client.request("GET", "/", [("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "https")])
    seen = site.next()
    assert (seen.client, seen.scheme) == (client.address, "http")
    assert {"X_FORWARDED_FOR", "X_FORWARDED_PROTO"} <= seen.names


@pytest.mark.parametrize("allowed", ["unix", "*", "10.0.0.0/8, unix"])
def test_a_unix_socket_is_trusted_where_it_is_named(
    serve_site: Callable[..., Site], unix_listener: socket.socket, allowed: str
) -> None:
    site = serve_site(listener=unix_listener, forwarded_allow_ips=allowed)
    with unix_client(unix_listener) as client:
        assert ask(client, ("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "https")) == 200
    seen = site.next()
    assert (seen.client, seen.scheme) == ((CLIENT, 0), "https")


@pytest.mark.parametrize("allowed", ["127.0.0.1,::1", "0.0.0.0/0,::/0", ""])
def test_a_unix_socket_is_not_trusted_by_an_address(
    serve_site: Callable[..., Site], unix_listener: socket.socket, allowed: str
) -> None:
    site = serve_site(listener=unix_listener, forwarded_allow_ips=allowed)
    with unix_client(unix_listener) as client:
        assert ask(client, ("X-Forwarded-For", CLIENT)) == 200
    seen = site.next()
    assert (seen.client, seen.names) == (None, {"HOST"})
    assert "a local client is no trusted proxy" in site.served.taken_log()


def test_ipv4_on_a_socket_of_both_families(serve_site: Callable[..., Site]) -> None:
    """The peer is ::ffff:127.0.0.1, and trusted as 127.0.0.1."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        site = serve_site(listener=listener, forwarded_allow_ips="127.0.0.1")
        address = ("127.0.0.1", listener.getsockname()[1])
        with RawClient(sock=socket.create_connection(address, DEADLINE)) as client:
            assert ask(client, ("X-Forwarded-For", CLIENT)) == 200
        assert site.next().client == (CLIENT, 0)
        site.served.close()


def test_over_tls_the_connection_to_the_proxy_stays_visible(
    serve_site: Callable[..., Site], certificates: Certificates
) -> None:
    site = serve_site(tls=certificates.context(), **certificates.settings)
    seen = site.ask(("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "http"))
    assert (seen.client, seen.scheme) == ((CLIENT, 0), "http")
    if site.app.interface == "wsgi":
        assert seen.raw["SSL_PROTOCOL"] == "TLSv1.3"
    else:
        assert "tls" in seen.raw["extensions"]


# WebSockets.

HANDSHAKE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
]


@pytest.mark.parametrize(
    ("said", "scheme"), [("https", "wss"), ("wss", "wss"), ("http", "ws"), ("ws", "ws")]
)
def test_websocket_scope(served: Make, said: str, scheme: str) -> None:
    app = AsgiApp()
    site = Site(served(app, lifespan="off", forwarded_headers=BELIEVED).start(), app)
    with site.raw(b"") as client:
        fields = [
            *HANDSHAKE,
            ("X-Forwarded-For", CLIENT),
            ("X-Forwarded-Proto", said),
            ("X-Forwarded-Host", "example.com"),
            ("X-Forwarded-Prefix", "/shop"),
        ]
        client.request("GET", "/chat", fields)
        assert client.read_response().status == 403
    seen = site.next()
    assert seen.raw["type"] == "websocket"
    assert (seen.client, seen.scheme, seen.host) == ((CLIENT, 0), scheme, "example.com")
    assert (seen.root_path, seen.path) == ("/shop", "/chat")


def test_websocket_handshake_of_an_untrusted_peer(served: Make) -> None:
    app = AsgiApp()
    site = Site(served(app, lifespan="off", **UNTRUSTED).start(), app)
    with site.raw(b"") as client:
        client.request("GET", "/", [*HANDSHAKE, ("X-Forwarded-Proto", "https")])
        assert client.read_response().status == 403
    seen = site.next()
    assert (seen.scheme, "X_FORWARDED_PROTO" in seen.names) == ("ws", False)
    assert "no trusted proxy" in site.served.taken_log()


# Several applications.


def test_mount_points_see_the_host_that_is_believed(served: Make) -> None:
    named, rest = WsgiApp(), WsgiApp()
    server = served(
        rest, mounts={"shop.example.com": named}, forwarded_headers=BELIEVED, interface="auto"
    ).start()
    server.request("GET", "/", [("X-Forwarded-Host", "shop.example.com")])
    assert named.seen.get(timeout=DEADLINE).host == "shop.example.com"
    server.request("GET", "/", [("Host", "other.example.com")])
    assert rest.seen.get(timeout=DEADLINE).host == "other.example.com"


def test_mount_points_are_below_the_prefix_that_is_believed(served: Make) -> None:
    named, rest = WsgiApp(), AsgiApp()
    server = served(
        rest, mounts={"/api": named}, forwarded_headers=BELIEVED, interface="auto"
    ).start()
    for target in ("/api/x", "/shop/api/x"):
        server.request("GET", target, [("X-Forwarded-Prefix", "/shop")])
        seen = named.seen.get(timeout=DEADLINE)
        assert (seen.root_path, seen.path) == ("/shop/api", "/x")
    server.request("GET", "/x", [("X-Forwarded-Prefix", "/shop")])
    seen = rest.seen.get(timeout=DEADLINE)
    assert (seen.root_path, seen.path) == ("/shop", "/x")


# PROXY headers.

PROXIED = {"proxy_protocol": True}
GET = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
HEADERS = [proxy.line(CLIENT), proxy.binary_line(CLIENT)]


@pytest.mark.parametrize("header", HEADERS, ids=["v1", "v2"])
def test_proxy_header(serve_site: Callable[..., Site], header: bytes) -> None:
    """It counts for every request of its connection."""
    site = serve_site(**PROXIED)
    with site.raw(header + GET) as client:
        assert client.read_response().status == 200
        assert ask(client) == 200
    for _ in range(2):
        seen = site.next()
        assert (seen.client, seen.server) == ((CLIENT, 50000), ("192.0.2.1", 443))
        assert seen.scheme == "http"


@pytest.mark.parametrize("header", HEADERS, ids=["v1", "v2"])
def test_proxy_header_byte_by_byte(serve_site: Callable[..., Site], header: bytes) -> None:
    site = serve_site(**PROXIED)
    with site.raw(b"") as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(header)):
            client.send(header[at : at + 1])
        client.send(GET)
        assert client.read_response().status == 200
    assert site.next().client == (CLIENT, 50000)


@pytest.mark.parametrize("header", HEADERS, ids=["v1", "v2"])
def test_proxy_header_before_tls(
    serve_site: Callable[..., Site], certificates: Certificates, header: bytes
) -> None:
    """Not one byte of the handshake is taken with it."""
    site = serve_site(**PROXIED, tls=certificates.context(), **certificates.settings)
    with site.raw(header, certificates.context()) as client:
        client.send(GET)
        assert client.read_response().status == 200
    seen = site.next()
    assert (seen.client, seen.scheme) == ((CLIENT, 50000), "https")


def test_connection_of_the_proxys_own(serve_site: Callable[..., Site]) -> None:
    """A check of health."""
    site = serve_site(**PROXIED)
    with site.raw(proxy.binary(0x20, 0x00, b"") + GET) as client:
        assert client.read_response().status == 200
        assert site.next().client == client.sock.getsockname()


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        proxy.binary(0x21, 0x00, b""),
        proxy.binary(0x21, 0x31, bytes(216)),
    ],
    ids=["UNKNOWN", "UNSPEC", "UNIX"],
)
def test_client_without_an_address(serve_site: Callable[..., Site], header: bytes) -> None:
    """It is neither the proxy nor a peer on a UNIX socket of the server, so none of its fields is
    used."""
    site = serve_site(**PROXIED, forwarded_allow_ips="unix,127.0.0.1")
    with site.raw(header + GET) as client:
        assert client.read_response().status == 200
        assert ask(client, ("X-Forwarded-For", "6.6.6.6")) == 200
    for seen in (site.next(), site.next()):
        assert (seen.client, seen.names) == (None, {"HOST"})
        assert seen.server == ("127.0.0.1", site.port)
    assert "no trusted proxy" in site.served.taken_log()


def test_tls_between_client_and_proxy(serve_site: Callable[..., Site]) -> None:
    site = serve_site(**PROXIED)
    header = proxy.binary_line(CLIENT, tlvs=proxy.tlv(0x20, b"\x01" + bytes(4)))
    with site.raw(header + GET) as client:
        assert client.read_response().status == 200
        assert ask(client) == 200
    assert [site.next().scheme, site.next().scheme] == ["https", "https"]


def test_the_address_in_the_header_is_whom_fields_are_believed_of(
    serve_site: Callable[..., Site],
) -> None:
    """The load balancer passes on what clients send; only a client that is a proxy itself may
    tell of another."""
    site = serve_site(**PROXIED, forwarded_allow_ips="127.0.0.1,10.0.0.0/8")
    with site.raw(proxy.line(CLIENT)) as client:
        assert ask(client, ("X-Forwarded-For", "6.6.6.6")) == 200
    seen = site.next()
    assert (seen.client, seen.names) == ((CLIENT, 50000), {"HOST"})
    assert f"{CLIENT}:50000 is no trusted proxy" in site.served.taken_log()
    with site.raw(proxy.line("10.0.0.2")) as client:
        assert ask(client, ("X-Forwarded-For", "203.0.113.5")) == 200
    assert site.next().client == ("203.0.113.5", 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GET, "sends no PROXY header"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "sends no PROXY header"),
        (b"\0" * 1000, "sends no PROXY header"),
        (b"PROXY TCP4 1.2.3.4\r\n" + GET, "sends a malformed PROXY line"),
        (b"PROXY " + b"x" * 200, "sends a PROXY line that does not end"),
        (proxy.binary(0x21, 0x11, b"") + GET, "too short"),
        (proxy.binary(0x21, 0x11, bytes(9000)), "of 9000 bytes"),
    ],
)
def test_wrong_header(serve_site: Callable[..., Site], data: bytes, reason: str) -> None:
    """The application is not called, and the line is one, however many come."""
    site = serve_site(**PROXIED)
    for _ in range(3):
        with site.raw(data) as client:
            assert client.read_to_end() == b""
    log = site.served.taken_log()
    assert log.count("connection closed") == 1
    assert "127.0.0.1 sends " in log
    assert reason in log
    assert site.app.seen.empty()


def test_header_that_is_cut_off(serve_site: Callable[..., Site]) -> None:
    site = serve_site(**PROXIED)
    with site.raw(b"PROXY TCP4 198.5") as client:
        client.half_close()
        assert client.read_to_end() == b""
    assert "127.0.0.1 does not complete its PROXY header" in site.served.taken_log()


def test_header_that_is_late(serve_site: Callable[..., Site]) -> None:
    site = serve_site(**PROXIED, timeout_request_head=0.2)
    with site.raw(b"PROXY TCP4 198.5") as client:
        assert client.read_to_end() == b""
    assert "127.0.0.1 does not complete its PROXY header" in site.served.taken_log()


def test_check_whether_the_port_is_open(serve_site: Callable[..., Site]) -> None:
    """It says nothing, and nothing is said of it."""
    site = serve_site(**PROXIED, timeout_request_head=0.2)
    with site.raw(b"") as client:
        client.half_close()
        assert client.read_to_end() == b""
    with site.raw(b"") as client:
        assert client.read_to_end() == b""


@pytest.mark.parametrize("header", HEADERS, ids=["v1", "v2"])
def test_peer_that_may_not_send_a_header(serve_site: Callable[..., Site], header: bytes) -> None:
    site = serve_site(**PROXIED, proxy_allow_ips="10.0.0.0/8")
    with site.raw(header + GET) as client:
        assert client.read_to_end() == b""
    assert "127.0.0.1 sends a PROXY header, and is not one who may" in site.served.taken_log()
    assert site.app.seen.empty()


def test_peer_that_need_not_send_a_header(
    serve_site: Callable[..., Site], certificates: Certificates
) -> None:
    """It is a client like every other."""
    site = serve_site(**PROXIED, proxy_allow_ips="10.0.0.0/8")
    assert site.ask().client is not None
    secure = serve_site(
        **PROXIED, proxy_allow_ips="unix", tls=certificates.context(), **certificates.settings
    )
    assert secure.ask().scheme == "https"


@pytest.mark.parametrize("header", HEADERS, ids=["v1", "v2"])
def test_without_the_setting_a_header_is_a_malformed_request(
    serve_site: Callable[..., Site], header: bytes
) -> None:
    site = serve_site()
    with site.raw(header + GET) as client:
        assert client.read_response().status == 400
    assert site.app.seen.empty()
    assert "400" in site.served.taken_log()


def test_proxy_header_on_a_unix_socket(
    serve_site: Callable[..., Site], unix_listener: socket.socket
) -> None:
    site = serve_site(**PROXIED, listener=unix_listener, proxy_allow_ips="unix")
    with unix_client(unix_listener) as client:
        client.send(proxy.line(CLIENT))
        assert ask(client) == 200
    assert site.next().client == (CLIENT, 50000)


def test_unix_socket_that_may_not_send_a_header(
    serve_site: Callable[..., Site], unix_listener: socket.socket
) -> None:
    site = serve_site(**PROXIED, listener=unix_listener)
    with unix_client(unix_listener) as client:
        client.send(proxy.line(CLIENT))
        assert client.read_to_end() == b""
    assert "a local client sends a PROXY header" in site.served.taken_log()
    with unix_client(unix_listener) as client:
        assert ask(client) == 200


def test_stop_while_a_header_is_awaited(served: Make) -> None:
    """It is waited for no longer than a TLS handshake would be."""
    app = AsgiApp()
    server = served(app, lifespan="off", **PROXIED, timeout_graceful_shutdown=8).start()
    site = Site(server, app)
    with site.raw(b"PROXY ") as client:
        acceptor = server.server._worker.acceptors[0]  # type: ignore[union-attr]
        server.wait_until(lambda: acceptor.pending == 1)
        server.close()
        assert client.read_to_end() == b""
