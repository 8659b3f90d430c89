"""ASGI over TLS: the scope, and the extension `tls` (ASGI TLS extension 0.2)."""

import ssl
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from bascule.connections.transport import CLOSING
from bascule.loop import acceptor
from support.asgi import app, body, mutable_parts, read_body, respond, start
from support.certificates import Certificates
from support.client import Http1Client
from support.flag import DEADLINE, Flag
from support.inprocess import Served

Serve = Callable[..., Served]


class ScopeApp:
    def __init__(self) -> None:
        self.scopes: SimpleQueue[dict[str, Any]] = SimpleQueue()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scopes.put(scope)
        await respond(send, await read_body(receive))

    def next(self) -> dict[str, Any]:
        return self.scopes.get(timeout=DEADLINE)


@pytest.fixture
def serve_tls(
    serve: Serve, certificates: Certificates, protocol: type[Http1Client]
) -> Callable[..., Served]:
    """Serve over TLS; `with_client` gives the client a certificate."""

    def start_tls(application: Any, *, with_client: bool = False, **options: Any) -> Served:
        context = certificates.context(with_client=with_client, alpn=tuple(protocol.alpn))
        return serve(application, tls=context, **certificates.settings, **options)

    return start_tls


def asks_clients(certificates: Certificates, how: str) -> dict[str, Any]:
    return {"ssl_ca_certs": certificates.ca_certs, "ssl_cert_reqs": how}


def test_scheme_and_addresses(serve_tls: Serve) -> None:
    application = ScopeApp()
    served = serve_tls(application)
    client = served.connect()
    client.request("GET")
    scope = application.next()
    assert scope["scheme"] == "https"
    assert tuple(scope["client"]) == client.address
    assert tuple(scope["server"]) == ("127.0.0.1", served.port)


def test_extension_without_a_client_certificate(
    serve_tls: Serve, certificates: Certificates
) -> None:
    application = ScopeApp()
    client = serve_tls(application).connect()
    client.request("GET")
    extension = application.next()["extensions"]["tls"]
    assert isinstance(client.sock, ssl.SSLSocket)
    cipher = client.sock.cipher()
    assert cipher is not None
    numbers = {one["name"]: one["id"] & 0xFFFF for one in certificates.context().get_ciphers()}
    assert extension["server_cert"].strip() == certificates.server_pem.strip()
    assert list(extension["client_cert_chain"]) == []
    assert extension["client_cert_name"] is None
    assert extension["client_cert_error"] is None
    assert extension["tls_version"] == 0x0304
    assert extension["cipher_suite"] == numbers[cipher[0]]


def test_extension_with_tls_1_2(serve_tls: Serve) -> None:
    application = ScopeApp()
    served = serve_tls(application)
    assert served.tls is not None
    served.tls.maximum_version = ssl.TLSVersion.TLSv1_2
    served.request("GET")
    assert application.next()["extensions"]["tls"]["tls_version"] == 0x0303


def test_extension_is_not_there_on_cleartext(serve: Serve) -> None:
    """The server is forbidden to provide it."""
    application = ScopeApp()
    serve(application).request("GET")
    scope = application.next()
    assert "tls" not in scope["extensions"]
    assert scope["scheme"] == "http"


@pytest.mark.parametrize("how", ["required", "optional"])
def test_client_certificate(serve_tls: Serve, certificates: Certificates, how: str) -> None:
    application = ScopeApp()
    served = serve_tls(application, with_client=True, **asks_clients(certificates, how))
    served.request("GET")
    extension = application.next()["extensions"]["tls"]
    chain = list(extension["client_cert_chain"])
    assert chain[0].strip() == certificates.client_pem.strip()
    # RFC 4514: the last of the subject first, the comma in a value escaped.
    name = extension["client_cert_name"]
    assert name.startswith("CN=A client,")
    assert "O=Example\\, Inc." in name
    assert extension["client_cert_error"] is None


def test_client_without_the_required_certificate_gets_no_connection(
    serve_tls: Serve, certificates: Certificates
) -> None:
    application = ScopeApp()
    served = serve_tls(application, **asks_clients(certificates, "required"))
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        served.request("GET")
    served.wait_until(lambda: served.logged("it sent no certificate"))
    assert "the TLS handshake of 127.0.0.1 failed" in served.taken_log()
    assert application.scopes.empty()


def test_client_without_an_optional_certificate_is_served(
    serve_tls: Serve, certificates: Certificates
) -> None:
    application = ScopeApp()
    served = serve_tls(application, **asks_clients(certificates, "optional"))
    assert served.request("GET").status == 200
    assert list(application.next()["extensions"]["tls"]["client_cert_chain"]) == []


def test_requests_of_a_connection_share_nothing_mutable(
    serve_tls: Serve, certificates: Certificates
) -> None:
    application = ScopeApp()
    served = serve_tls(application, with_client=True, **asks_clients(certificates, "required"))
    client = served.connect()
    client.request("GET")
    client.request("GET")
    first, second = application.next(), application.next()
    assert first["extensions"]["tls"] == second["extensions"]["tls"]
    assert not mutable_parts(first).keys() & mutable_parts(second).keys()


def test_bodies_both_ways(serve_tls: Serve) -> None:
    client = serve_tls(ScopeApp()).connect()
    data = bytes(range(256)) * 8000
    for size in (0, 1, 20_000, len(data)):
        assert client.request("POST", body=data[:size]).body == data[:size]


def test_pathsend_is_encrypted(serve_tls: Serve, tmp_path: Any) -> None:
    """Files cannot go past the encryption, however they are sent."""
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 8000)

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.pathsend", "path": str(file)})

    client = serve_tls(answer).connect()
    for _ in range(2):
        assert client.request("GET").body == file.read_bytes()


def test_client_that_leaves(serve_tls: Serve) -> None:
    waiting, got = Flag(), Flag()

    @app
    async def poll(receive: Any, send: Any) -> None:
        await read_body(receive)
        waiting.set()
        got.set(await receive())

    client = serve_tls(poll).connect()
    client.open("GET")
    waiting.wait()
    client.reset()
    assert got.wait() == {"type": "http.disconnect"}


def test_close_reaches_the_client_as_a_proper_end(
    serve_tls: Serve, protocol: type[Http1Client]
) -> None:
    """Without close_notify it would look like an attacker's cut."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"connection", b"close")])
        await body(send, b"bye")

    client = serve_tls(answer).connect()
    assert client.request("GET").body == b"bye"
    if protocol.http_version == "1.1":
        assert isinstance(client.sock, ssl.SSLSocket)
        client.sock.suppress_ragged_eofs = False
        assert client.is_closed_by_server()


def test_slow_reader(serve_tls: Serve) -> None:
    size = 8_000_000

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        for _ in range(size // 50_000):
            await body(send, bytes(50_000), more=True)
        await body(send)

    client = serve_tls(answer).connect(receive_buffer=4096)
    for _ in range(2):
        assert len(client.request("GET").body) == size


def test_a_client_that_resets_right_behind_its_request_is_gone(serve_tls: Serve) -> None:
    """uvloop tells of both at once, and of nothing behind that."""
    gone, held, go_on = Flag(), Flag(), Flag()

    async def wait(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/first":
            await respond(send, b"")
            return
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    def hold() -> None:
        held.set()
        go_on.wait()

    served = serve_tls(wait)
    client = served.connect()
    # Both sides have shaken hands.
    client.request("GET", "/first")
    served.loop.call_soon_threadsafe(hold)
    held.wait()
    client.open("GET", "/")
    client.reset()
    go_on.set()
    gone.wait()
    served.wait_until_quiet()


def test_a_slow_client_receives_the_end_of_the_last_response(
    serve_tls: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time for the client's close_notify begins when it has everything."""
    monkeypatch.setattr(acceptor, "SHUTDOWN_TIMEOUT", 0.2)
    content = bytes(range(256)) * 32768
    closing_since: list[float] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        fields = [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": content})

    served = serve_tls(application)
    hub = served.hub

    def has_been_closing_for_a_second() -> bool:
        if any(one.transport.phase == CLOSING for one in hub.connections):
            closing_since.append(hub.now)
        return bool(closing_since) and (not hub.connections or hub.now - closing_since[0] > 1)

    stream = served.connect(receive_buffer=4096).open("GET", "/", [("connection", "close")])
    stream.head()
    served.wait_until(has_been_closing_for_a_second)
    assert stream.response().body == content
