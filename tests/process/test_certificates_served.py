"""Certificates that change while a server runs: new connections get them, no other notices."""

import os
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
import trustme

from support.client import Http1Client
from support.server import Server, running

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
