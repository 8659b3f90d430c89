"""WSGI over TLS: the scheme, and the SSL_* variables (PEP 3333 names Apache's)."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.certificates import Certificates
from support.inprocess import Served

Serve = Callable[..., Served]


@pytest.fixture
def serve_tls(serve_wsgi: Serve, certificates: Certificates) -> Callable[..., Served]:
    """Serve over TLS; `with_client` gives the client a certificate."""

    def start_tls(app: Any, *, with_client: bool = False, **options: Any) -> Served:
        context = certificates.context(with_client=with_client)
        return serve_wsgi(app, tls=context, **certificates.settings, **options)

    return start_tls


class EnvironApp:
    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.environs.append(environ)
        data = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [data]


def test_variables(serve_tls: Serve) -> None:
    app = EnvironApp()
    served = serve_tls(app)
    client = served.connect()
    client.request("GET")
    client.request("GET")
    assert isinstance(client.sock, ssl.SSLSocket)
    cipher = client.sock.cipher()
    for environ in app.environs:
        assert environ["wsgi.url_scheme"] == "https"
        assert environ["HTTPS"] == "on"
        assert environ["SERVER_PORT"] == str(served.port)
        assert environ["SSL_PROTOCOL"] == "TLSv1.3"
        assert cipher is not None
        assert environ["SSL_CIPHER"] == cipher[0]
        assert environ["SSL_CLIENT_VERIFY"] == "NONE"
        assert "SSL_CLIENT_CERT" not in environ
        assert "SSL_CLIENT_S_DN" not in environ
    assert len(app.environs) == 2


@pytest.mark.parametrize("how", ["required", "optional"])
def test_client_certificate(serve_tls: Serve, certificates: Certificates, how: str) -> None:
    app = EnvironApp()
    settings = {"ssl_ca_certs": certificates.ca_certs, "ssl_cert_reqs": how}
    serve_tls(app, with_client=True, **settings).request("GET")
    (environ,) = app.environs
    assert environ["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert environ["SSL_CLIENT_CERT"].strip() == certificates.client_pem.strip()
    assert environ["SSL_CLIENT_S_DN"].startswith("CN=A client,")


def test_client_cannot_forge_them(serve_tls: Serve) -> None:
    app = EnvironApp()
    headers = [("SSL-Client-Verify", "SUCCESS"), ("HTTPS", "off")]
    serve_tls(app).request("GET", "/", headers)
    (environ,) = app.environs
    assert environ["SSL_CLIENT_VERIFY"] == "NONE"
    assert environ["HTTPS"] == "on"


def test_bodies_both_ways(serve_tls: Serve) -> None:
    client = serve_tls(EnvironApp()).connect()
    data = bytes(range(256)) * 8000
    for size in (0, 1, 20_000, len(data)):
        assert client.request("POST", body=data[:size]).body == data[:size]


def test_file_is_encrypted(serve_tls: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 8000)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](path.open("rb"))

    client = serve_tls(app).connect()
    for _ in range(2):
        assert client.request("GET").body == path.read_bytes()


def test_slow_reader(serve_tls: Serve) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return iter([bytes(50_000)] * 160)

    client = serve_tls(app).connect(receive_buffer=4096)
    for _ in range(2):
        assert len(client.request("GET").body) == 8_000_000
