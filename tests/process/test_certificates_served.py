"""Certificates that change while a server runs: new connections get them, no other notices."""

import os
import signal
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
import trustme

from support.client import Http1Client
from support.server import Server, running
from support.workers import make_application, serve, wait_for_ready

APPS = Path(__file__).parent / "apps"
AUTHORITY = trustme.CA()
FIRST, SECOND = (AUTHORITY.issue_cert("127.0.0.1") for _ in range(2))

# The transports are those of aiofastnet, of uvloop (which clients' certificates need), of asyncio.
TRANSPORTS = {
    "aiofastnet": [],
    "uvloop": ["--ssl-cert-reqs", "optional"],
    "asyncio": ["--ssl-cert-reqs", "optional", "--loop", "asyncio"],
}


def write_pair(folder: Path, leaf: trustme.LeafCert) -> None:
    """Write certificate and key, each at once."""
    for name, blob in (("tls.crt", leaf.cert_chain_pems[0]), ("tls.key", leaf.private_key_pem)):
        (folder / f"{name}.new").write_bytes(blob.bytes())
        os.replace(folder / f"{name}.new", folder / name)


def connect(server: Server) -> tuple[Http1Client, str]:
    """A connection, and the certificate that it was shown."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    context.set_alpn_protocols(["http/1.1"])
    client = Http1Client(server.port, context)
    assert client.sock.selected_alpn_protocol() == "http/1.1"
    shown = client.sock.getpeercert(binary_form=True)
    return client, ssl.DER_cert_to_PEM_cert(shown)


def shown(server: Server) -> str:
    client, certificate = connect(server)
    assert client.request("GET").status == 200
    client.close()
    return certificate


def pem(leaf: trustme.LeafCert) -> str:
    return leaf.cert_chain_pems[0].bytes().decode()


@pytest.fixture(params=TRANSPORTS)
def arguments(request: pytest.FixtureRequest, tmp_path: Path) -> Sequence[str]:
    write_pair(tmp_path, FIRST)
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.crt")
    options = TRANSPORTS[request.param]
    authority = ["--ssl-ca-certs", str(tmp_path / "ca.crt")] if options else []
    files = ["--ssl-certfile", str(tmp_path / "tls.crt"), "--ssl-keyfile"]
    return [*files, str(tmp_path / "tls.key"), *authority, *options]


def test_new_connections_get_the_new_certificate(arguments: Sequence[str], tmp_path: Path) -> None:
    with running("process_wsgi", *arguments, cwd=APPS) as server:
        old, certificate = connect(server)
        assert certificate == pem(FIRST)
        assert old.request("GET").status == 200
        write_pair(tmp_path, SECOND)
        server.wait_for_output("new connections get the changed certificate")
        assert shown(server) == pem(SECOND)
        assert old.request("GET").status == 200
        old.close()
        assert server.stop() == 0


def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    write_pair(tmp_path, FIRST)
    certfile = tmp_path / "tls.crt"
    args = ["--ssl-certfile", str(certfile), "--ssl-keyfile", str(tmp_path / "tls.key")]
    with running("process_wsgi", *args, cwd=APPS) as server:
        assert shown(server) == pem(FIRST)
        certfile.write_text(pem(SECOND))
        server.wait_for_output("the changed TLS files are not used, the former stay in use")
        assert shown(server) == pem(FIRST)
        write_pair(tmp_path, SECOND)
        server.wait_for_output("new connections get the changed certificate")
        assert shown(server) == pem(SECOND)
        assert server.stop() == 0
        assert server.output().count("are not used") == 1


def test_a_client_that_shows_no_certificate_hears_so_and_is_logged_once(tmp_path: Path) -> None:
    write_pair(tmp_path, FIRST)
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.crt")
    files = [
        "--ssl-certfile",
        str(tmp_path / "tls.crt"),
        "--ssl-keyfile",
        str(tmp_path / "tls.key"),
    ]
    options = ["--ssl-ca-certs", str(tmp_path / "ca.crt"), "--ssl-cert-reqs", "required"]
    with running("process_wsgi", *files, *options, cwd=APPS) as server:
        for _ in range(3):
            visitor = Visitor(server, ssl.TLSVersion.TLSv1_3)
            with pytest.raises(ssl.SSLError, match="TLSV13_ALERT_CERTIFICATE_REQUIRED"):
                visitor.resumes()
        line = "WARNING the TLS handshake of 127.0.0.1 failed: it sent no certificate"
        server.wait_for_output(line)
        assert server.stop() == 0
        assert server.output().count(line) == 1


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["workers", "preload"])
def test_a_session_goes_on_with_any_worker(
    options: Sequence[str], version: str, tmp_path: Path
) -> None:
    make_application(tmp_path)
    write_pair(tmp_path, FIRST)
    files = ["--ssl-certfile", str(tmp_path / "tls.crt"), "--ssl-keyfile"]
    with serve(tmp_path, *files, str(tmp_path / "tls.key"), *options) as server:
        wait_for_ready(server, 1, 2)
        visitor = Visitor(server, ssl.TLSVersion[version])
        assert not visitor.resumes()
        assert [visitor.resumes() for _ in range(20)] == [True] * 20
        server.signal(signal.SIGHUP)
        wait_for_ready(server, 3, 4)
        assert [visitor.resumes() for _ in range(20)] == [True] * 20


class Visitor:
    """A client that comes again and again, each time with the session that it has."""

    def __init__(self, server: Server, version: ssl.TLSVersion) -> None:
        self.port = server.port
        self.context = ssl.create_default_context()
        AUTHORITY.configure_trust(self.context)
        self.context.minimum_version = self.context.maximum_version = version
        self.session: ssl.SSLSession | None = None

    def resumes(self) -> bool:
        """One request on a connection of its own; whether its handshake was a short one."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain,
            self.context.wrap_socket(
                plain, server_hostname="127.0.0.1", session=self.session
            ) as sock,
        ):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200 ")
            self.session = sock.session
            return bool(sock.session_reused)
