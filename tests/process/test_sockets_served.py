"""UNIX sockets, several addresses, inherited descriptors and TLS, on real processes."""

import os
import re
import socket
import ssl
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from support.commands import bascule, started
from support.http import RawClient, exchange
from support.server import running

APPS = Path(__file__).parent / "apps"

LARGE = b"0123456789abcdef" * 65536


@pytest.fixture
def socket_path():
    """A short path, because UNIX sockets allow 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="bascule-") as directory:
        yield Path(directory) / "s"


def unix_client(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(os.fspath(path))
    return RawClient(sock=sock)


def ask(client, target="/"):
    client.request("GET", target)
    return client.read_response()


# UNIX sockets.


@pytest.mark.parametrize("app", ["process_asgi:app", "process_wsgi"])
@pytest.mark.parametrize("option", ["--uds", "--bind"])
def test_a_unix_socket_serves_and_its_file_goes_with_the_server(socket_path, app, option):
    value = str(socket_path) if option == "--uds" else f"unix:{socket_path}"
    with started("serve", app, option, value, cwd=APPS) as server:
        server.wait_for_output(f"listening on unix:{socket_path}")
        with unix_client(socket_path) as client:
            assert ask(client).body.startswith(b"hello from")
            assert ask(client, "/large").body == LARGE
        assert server.stop() == 0
        output = server.output()
    assert not socket_path.exists()
    assert ' - - "GET / HTTP/1.1" 200' in output


def test_the_file_of_a_server_that_was_killed_is_replaced(socket_path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(socket_path))
    left.close()
    assert socket_path.exists()
    with started("serve", "process_wsgi", "--uds", str(socket_path), cwd=APPS) as server:
        server.wait_for_output("listening on unix:")
        with unix_client(socket_path) as client:
            assert ask(client).status == 200
        assert server.stop() == 0


def test_a_unix_socket_that_is_served_already_is_left_alone(socket_path):
    with started("serve", "process_wsgi", "--uds", str(socket_path), cwd=APPS) as server:
        server.wait_for_output("listening on unix:")
        second = bascule("serve", "process_wsgi", "--uds", str(socket_path), cwd=APPS)
        assert second.returncode == 2
        assert str(socket_path) in second.stderr
        with unix_client(socket_path) as client:
            assert ask(client).status == 200
        assert server.stop() == 0


@pytest.mark.parametrize(
    "target", ["process_broken", "process_asgi:no_startup", "process_asgi:absent"]
)
def test_the_file_goes_when_the_application_does_not_start(socket_path, target):
    done = bascule("serve", target, "--uds", str(socket_path), cwd=APPS)
    assert done.returncode in (2, 3)
    assert not socket_path.exists()


# Addresses.


def listening(server, count):
    """The ports of 127.0.0.1 that the banner names."""
    ports = re.compile(r"listening on https?://127\.0\.0\.1:(\d+)")
    while len(found := ports.findall(server.output())) < count:
        server.wait_for_output("listening on http://127.0.0.1:" if not found else ports.pattern)
    return [int(port) for port in found]


def test_several_addresses_are_all_served(socket_path):
    addresses = ("--bind", f"unix:{socket_path}", "--bind", "127.0.0.1:0", "-b", "127.0.0.1:0")
    with started("serve", "process_asgi:app", *addresses, cwd=APPS) as server:
        server.wait_for_output("listening on unix:")
        output = server.wait_for_output("listening on http://127.0.0.1:")
        first = int(re.findall(r"http://127\.0\.0\.1:(\d+)\n", output)[0])
        assert exchange(first, "GET", "/").status == 200
        # Each address is announced before the first request is answered.
        ports = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)\n", server.output())}
        assert len(ports) == 2
        for port in ports:
            assert exchange(port, "GET", "/").body == b"hello from asgi"
        with unix_client(socket_path) as client:
            assert ask(client).body == b"hello from asgi"
        assert server.stop() == 0


@pytest.mark.parametrize("form", ["--fd", "--bind"])
def test_an_inherited_descriptor_is_served(form):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, number = listener.getsockname()[1], listener.fileno()
        option = ("--fd", str(number)) if form == "--fd" else ("--bind", f"fd://{number}")
        with started("serve", "process_wsgi", *option, cwd=APPS, fds=[number]) as server:
            assert exchange(port, "GET", "/").body == b"hello from wsgi"
            assert server.stop() == 0


def test_an_inherited_unix_socket_keeps_its_file(socket_path):
    """It belongs to its creator (systemd), which passes it to the next server."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        listener.listen()
        number = listener.fileno()
        with started(
            "serve", "process_wsgi", "--fd", str(number), cwd=APPS, fds=[number]
        ) as server:
            with unix_client(socket_path) as client:
                assert ask(client).body == b"hello from wsgi"
            assert server.stop() == 0
        assert socket_path.exists()


def test_an_address_in_use_is_explained_before_the_application_is_imported():
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        done = bascule("serve", "process_broken", "--bind", f"127.0.0.1:{port}", cwd=APPS)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "another program uses this port" in done.stderr


def test_one_address_in_use_leaves_no_other_open(socket_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        busy = f"127.0.0.1:{holder.getsockname()[1]}"
        both = ("--bind", f"unix:{socket_path}", "--bind", busy)
        done = bascule("serve", "process_wsgi", *both, cwd=APPS)
    assert done.returncode == 2
    assert not socket_path.exists()


# TLS.


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    """The server's certificate, its keys plain and encrypted, and the authority's certificate."""
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("127.0.0.1", "localhost")
    (folder / "chain.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    (folder / "key.pem").write_bytes(issued.private_key_pem.bytes())
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    (folder / "locked.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return folder


@pytest.fixture(scope="module")
def trusting(authority):
    """A client's context."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def tls_options(files, key="key.pem"):
    return (
        "--ssl-certfile",
        str(files / "chain.pem"),
        "--ssl-keyfile",
        str(files / key),
    )


@contextmanager
def serve_tls(files, app="process_asgi:app", *args, key="key.pem", **options):
    with running(app, *tls_options(files, key), *args, cwd=APPS, **options) as server:
        server.wait_for_output("listening on https://")
        yield server


def connect(server, context):
    """A TLS client that takes a connection cut short for what it is, an error."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    try:
        secured = context.wrap_socket(
            plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False
        )
    except BaseException:
        plain.close()
        raise
    return RawClient(sock=secured)


def assert_healthy(server, context):
    with connect(server, context) as client:
        assert ask(client).status == 200


@pytest.mark.parametrize("app", ["process_asgi:app", "process_wsgi"])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_requests_over_tls(files, trusting, app, loop):
    with serve_tls(files, app, "--loop", loop) as server:
        with connect(server, trusting) as client:
            assert client.sock.version() == "TLSv1.3"
            assert ask(client).body.startswith(b"hello from")
            assert ask(client, "/client").body.startswith(b"https none")
            client.request("POST", "/echo", body=LARGE)
            assert client.read_response("POST").body == LARGE
            assert len(ask(client, "/stream").body) == 8 * len(LARGE)
        assert server.stop() == 0
        output = server.output()
    assert "WARNING" not in output
    assert "Traceback" not in output


def test_an_idle_client_that_does_not_answer_holds_up_no_stop(files, trusting):
    """TLS asks for a goodbye from both; who says none is not waited for as for a request."""
    with serve_tls(files) as server, connect(server, trusting) as client:
        assert ask(client).status == 200
        assert server.stop(deadline=8) == 0


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_the_end_of_a_connection_is_told_by_tls(files, trusting, loop):
    """RFC 8446 section 6.1: without close_notify a client cannot tell an end from an attack."""
    with (
        serve_tls(files, "process_asgi:app", "--loop", loop) as server,
        connect(server, trusting) as client,
    ):
        client.request("GET", "/large", [("Connection", "close")])
        assert client.read_response().body == LARGE
        assert client.read_to_end() == b""


@pytest.mark.parametrize(
    ("http", "offered", "chosen"),
    [
        ("auto", ["http/1.1", "h2"], "h2"),
        ("auto", ["http/1.1"], "http/1.1"),
        ("1", ["h2", "http/1.1"], "http/1.1"),
        ("2", ["h2", "http/1.1"], "h2"),
    ],
)
def test_alpn_names_what_is_spoken(files, authority, http, offered, chosen):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(offered)
    with (
        serve_tls(files, "process_asgi:app", "--http", http) as server,
        connect(server, context) as client,
    ):
        assert client.sock.selected_alpn_protocol() == chosen
        if chosen == "http/1.1":
            assert ask(client).status == 200


def test_tls_1_2_is_served_and_1_1_is_refused(files, authority, trusting):
    with serve_tls(files) as server:
        newer = limited_to(authority, ssl.TLSVersion.TLSv1_2)
        with connect(server, newer) as client:
            assert client.sock.version() == "TLSv1.2"
            assert ask(client).status == 200
        with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|UNEXPECTED_EOF"):
            connect(server, limited_to(authority, ssl.TLSVersion.TLSv1_1))
        assert_healthy(server, trusting)
        assert "Traceback" not in server.output()


def limited_to(authority, version):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with warnings.catch_warnings():
        # Python warns of TLS 1.1, which is what is to be refused.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    # OpenSSL's client would not even offer it.
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def test_a_key_with_a_password(files, trusting):
    password = ("--ssl-keyfile-password", "open sesame")
    with serve_tls(files, "process_wsgi", *password, key="locked.pem") as server:
        assert_healthy(server, trusting)
        assert server.stop() == 0
        assert "open sesame" not in server.output()


def test_a_password_from_the_environment(files, trusting):
    env = {"BASCULE_SSL_KEYFILE_PASSWORD": "open sesame"}
    with serve_tls(files, "process_wsgi", key="locked.pem", env=env) as server:
        assert_healthy(server, trusting)


@pytest.mark.parametrize("password", [(), ("--ssl-keyfile-password", "sesame close")])
def test_a_password_that_is_missing_or_wrong_is_an_error_and_never_a_question(files, password):
    options = (*tls_options(files, "locked.pem"), *password)
    done = bascule("serve", "process_wsgi", "--port", "0", *options, cwd=APPS)
    assert done.returncode == 2
    assert "password" in done.stderr
    assert "sesame" not in done.stderr


# Certificates of clients.


@pytest.fixture(scope="module")
def known_client(authority):
    """The context of a client with a certificate of our authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert("someone@example.com", common_name="Some One").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def strange_client(authority):
    """The context of a client whose certificate no authority here has signed."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    trustme.CA().issue_cert("stranger@example.com").configure_cert(context)
    return context


def client_certificates(files, wanted):
    return ("--ssl-ca-certs", str(files / "authority.pem"), "--ssl-cert-reqs", wanted)


def is_turned_away(server, context):
    """TLS 1.3 tells a client only after its handshake; either way no request is answered."""
    try:
        with connect(server, context) as client:
            client.request("GET", "/")
            return client.receive() == b""
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.parametrize("app", ["process_asgi:app", "process_wsgi"])
def test_client_certificates_that_are_required(files, trusting, known_client, strange_client, app):
    with serve_tls(files, app, *client_certificates(files, "required")) as server:
        assert is_turned_away(server, trusting)
        assert is_turned_away(server, strange_client)
        with connect(server, known_client) as client:
            assert b"Some One" in ask(client, "/client").body
            assert b"Some One" in ask(client, "/client").body
        assert server.stop() == 0
        assert "Traceback" not in server.output()


def test_client_certificates_that_are_optional(files, trusting, known_client, strange_client):
    with serve_tls(files, "process_wsgi", *client_certificates(files, "optional")) as server:
        with connect(server, trusting) as client:
            assert ask(client, "/client").body == b"https none"
        with connect(server, known_client) as client:
            assert b"Some One" in ask(client, "/client").body
        assert is_turned_away(server, strange_client)
        assert_healthy(server, trusting)


def test_client_certificates_where_no_file_can_be_written(files, known_client):
    options = client_certificates(files, "required")
    target = ("process_wsgi", *tls_options(files), *options, "--app-dir", str(APPS))
    with (
        running(*target, cwd="/proc", env={"TMPDIR": "/proc"}) as server,
        connect(server, known_client) as client,
    ):
        assert b"Some One" in ask(client, "/client").body


# Clients of the wrong protocol, and clients that do not finish their handshake.


def test_plain_http_on_the_tls_port(files, trusting):
    with serve_tls(files) as server:
        with RawClient(server.port) as client:
            client.request("GET", "/")
            assert b"hello" not in client.read_to_end()
        assert_healthy(server, trusting)
        assert server.stop() == 0
        output = server.output()
    assert "Traceback" not in output
    assert "ERROR" not in output


def test_tls_on_the_plain_port(trusting):
    with running("process_asgi:app", cwd=APPS) as server:
        with pytest.raises(ssl.SSLError):
            connect(server, trusting)
        with RawClient(server.port) as client:
            client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
            refused = client.read_response()
            assert refused.status == 400
            assert b"TLS" in refused.body
        assert exchange(server.port, "GET", "/").status == 200
        assert server.stop() == 0
        assert "Traceback" not in server.output()


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    half = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("part", ["nothing", "half a hello", "a hello"])
def test_a_handshake_that_stops_is_ended_by_the_deadline(files, trusting, part, loop):
    hello = client_hello()
    data = {"nothing": b"", "half a hello": hello[: len(hello) // 2], "a hello": hello}[part]
    options = ("--timeout-request-head", "0.3", "--loop", loop)
    with serve_tls(files, "process_asgi:app", *options) as server:
        with RawClient(server.port) as client:
            client.send(data)
            client.read_to_end()
        assert_healthy(server, trusting)
        assert server.stop() == 0
        output = server.output()
    assert "Traceback" not in output
    assert "ERROR" not in output


def test_clients_that_leave_in_the_handshake_are_no_news(files, trusting):
    hello = client_hello()
    with serve_tls(files) as server:
        for data in (b"", hello[:20], hello):
            for leave in (RawClient.close, RawClient.reset):
                client = RawClient(server.port)
                client.send(data)
                leave(client)
        assert_healthy(server, trusting)
        assert server.stop() == 0
        output = server.output()
    assert "Traceback" not in output
    assert "ERROR" not in output


def test_a_handshake_that_has_not_begun_does_not_hold_up_the_stop(files, trusting):
    """A load balancer's check, or a browser's spare connection: nothing of theirs is in flight."""
    with serve_tls(files) as server, RawClient(server.port), connect(server, trusting) as client:
        # Accepted later than the silent one, so that one is accepted too.
        assert ask(client).status == 200
        assert server.stop(deadline=8) == 0


def test_what_is_in_flight_over_tls_is_finished(files, trusting):
    with serve_tls(files) as server, connect(server, trusting) as client:
        client.request("POST", "/echo", [("Expect", "100-continue"), ("Content-Length", "5")])
        assert client.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
        with connect(server, trusting) as idle:
            assert ask(idle).status == 200
            server.signal(15)
            assert idle.read_to_end() == b""
        client.send(b"hello")
        assert client.read_response("POST").body == b"hello"
        assert client.read_to_end() == b""
        assert server.wait() == 0
