"""Keys of session tickets: contexts that are made of the same accept each other's."""

import ssl
from pathlib import Path

import pytest

from bascule.sockets import tickets
from bascule.sockets.tls import TLSFiles, WatchedContext, server_context
from support.certificates import Certificates, make_certificates

SECRET = b"a secret of the supervisor"
OTHER_SECRET = b"of another supervisor"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class Client:
    """A client that comes again with its session from the last time."""

    def __init__(self, certificates: Certificates, version: ssl.TLSVersion) -> None:
        self.context = certificates.context(with_client=True)
        self.context.minimum_version = self.context.maximum_version = version
        self.session: ssl.SSLSession | None = None

    def resumes(self, server: ssl.SSLContext) -> bool:
        """Shake hands, and whether the session of the last time was taken up."""
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        here = self.context.wrap_bio(
            to_client, to_server, server_hostname="localhost", session=self.session
        )
        there = server.wrap_bio(to_server, to_client, server_side=True)
        for side in (here, there, here, there):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
        # The tickets of TLS 1.3 come after the handshake.
        there.write(b"x")
        assert here.read(1) == b"x"
        self.session = here.session
        return bool(here.session_reused)


def files(certificates: Certificates, reqs: str = "none", ca_certs: str = "") -> TLSFiles:
    authority = {"ca_certs": ca_certs or certificates.ca_certs} if reqs != "none" else {}
    return TLSFiles(certificates.certfile, certificates.keyfile, cert_reqs=reqs, **authority)


def watched(files: TLSFiles, secret: bytes | None = SECRET) -> ssl.SSLContext:
    return WatchedContext(files, ["http/1.1"], secret).context


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_goes_on_with_any_worker(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    client = Client(certificates, version)
    first, second = (watched(files(certificates)) for _ in range(2))
    assert [client.resumes(one) for one in (first, second, second, first)] == [
        False, True, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_no_session_goes_on_with_another_server(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    client = Client(certificates, version)
    given = files(certificates)
    assert not client.resumes(watched(given))
    assert not client.resumes(watched(given, OTHER_SECRET))
    assert not client.resumes(watched(given, None))


@pytest.mark.parametrize("version", VERSIONS)
def test_no_session_outlives_the_authorities_that_its_client_was_checked_by(
    certificates: Certificates, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    client = Client(certificates, version)
    before = files(certificates, "required")
    assert not client.resumes(watched(before))
    assert client.resumes(watched(before))
    two = tmp_path / "two.pem"
    two.write_text(Path(certificates.ca_certs).read_text() + certificates.client_pem)
    assert not client.resumes(watched(files(certificates, "required", str(two))))


def test_a_renewed_certificate_is_shared_as_well(
    certificates: Certificates, tmp_path: Path
) -> None:
    certfile = tmp_path / "server.pem"
    certfile.write_text(certificates.server_pem)
    given = TLSFiles(str(certfile), certificates.keyfile)
    workers = [WatchedContext(given, ["http/1.1"], SECRET) for _ in range(2)]
    certfile.write_text(f"renewed\n{certificates.server_pem}")
    for worker in workers:
        assert [worker.look(now) for now in (0, 10)] == [False, True]
    client = Client(certificates, ssl.TLSVersion.TLSv1_3)
    assert [client.resumes(worker.context) for worker in workers] == [False, True]


def test_the_secret_stays_the_same() -> None:
    assert tickets.shared_secret() == tickets.shared_secret()
    assert len(tickets.shared_secret()) == 32


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FIELDS_SHOWN", 0),  # the method is not found, as in another layout
        ("KEYS_SIZE", 48),  # of OpenSSL before 1.1
    ],
)
def test_what_looks_different_is_left_as_it_is(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(tickets, name, value)
    context = server_context(files(certificates), ["http/1.1"])
    assert not tickets.share_tickets(context, SECRET)
    client = Client(certificates, ssl.TLSVersion.TLSv1_3)
    assert [client.resumes(context) for _ in range(2)] == [False, True]


def test_a_library_that_is_not_openssl_is_left_alone(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl, "OPENSSL_VERSION", "LibreSSL 3.8.2")
    assert not tickets.share_tickets(server_context(files(certificates), []), SECRET)


def test_memory_that_is_not_there_is_no_crash() -> None:
    with pytest.raises(ValueError, match="layout"):
        tickets._read_pointers(8)
