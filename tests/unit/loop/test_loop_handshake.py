"""TLS handshakes that fail: the client gets the alert, the log gets one line with the reason."""

import asyncio
import importlib
import os
import socket
import ssl
import sys
from contextlib import suppress

import pytest
import trustme

from bascule.loop import handshake as module
from bascule.loop import listen
from bascule.loop.handshake import Farewells, why_failed
from bascule.loop.proxied import ProxyHeaders
from bascule.protocols.peers import TrustedPeers

AUTHORITY = trustme.CA()
SERVER = AUTHORITY.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
STRANGER = trustme.CA()
DEADLINE = 10
HELLO = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def server_side(**attributes):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    SERVER.configure_cert(context)
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


def client_side(**attributes):
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


def only(version):
    return {"minimum_version": version, "maximum_version": version}


def with_cipher(context, cipher):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    return context


def asking_for_certificates(**attributes):
    context = server_side(**attributes)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def strangers_certificate():
    context = client_side(**only(ssl.TLSVersion.TLSv1_2))
    STRANGER.issue_cert("a@example.org").configure_cert(context)
    return context


TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
# Server, client, OpenSSL's name for the alert that the client gets, and the line.
FAILURES = {
    "version": (
        lambda: server_side(**only(TLS_1_3)),
        lambda: client_side(**only(TLS_1_2)),
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "it offers no TLS version that this server supports",
    ),
    "cipher": (
        lambda: with_cipher(server_side(), "ECDHE-ECDSA-AES256-GCM-SHA384"),
        lambda: with_cipher(client_side(), "ECDHE-ECDSA-AES128-GCM-SHA256"),
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "it offers no cipher suite",
    ),
    "certificate required, TLS 1.2": (
        asking_for_certificates,
        lambda: client_side(**only(TLS_1_2)),
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "it sent no certificate",
    ),
    "certificate required, TLS 1.3": (
        asking_for_certificates,
        lambda: client_side(**only(TLS_1_3)),
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "it sent no certificate",
    ),
    "certificate of a stranger": (
        asking_for_certificates,
        strangers_certificate,
        "TLSV1_ALERT_UNKNOWN_CA",
        "its certificate does not verify: unable to get local issuer certificate",
    ),
}


class Service:
    """An acceptor under test, and the lines that it would log."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self.lines = asyncio.Queue()

    async def start(self, context, **options):
        self.acceptor = await listen(
            asyncio.get_running_loop(),
            lambda *ends: asyncio.Protocol(),
            self.sock,
            backlog=16,
            ssl=context,
            warn=lambda kind, text: self.lines.put_nowait((kind, text)),
            **options,
        )
        return self

    async def line(self):
        async with asyncio.timeout(DEADLINE):
            return (await self.lines.get())[1]

    def stop(self):
        self.acceptor.abort()
        self.sock.close()


def run(loop, coroutine):
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(asyncio.wait_for(coroutine, 3 * DEADLINE))
    finally:
        asyncio.set_event_loop(None)


def visit(port, context, request=HELLO, first=b""):
    """Connect, send a request, and return OpenSSL's name for the alert that came."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as plain:
        plain.sendall(first)
        try:
            # Which of the three fails is up to the version of TLS.
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
                sock.sendall(request)
                return f"an answer: {sock.recv(1)!r}"
        except ssl.SSLError as error:
            return error.reason


@pytest.mark.parametrize("case", FAILURES)
def test_the_client_is_told_and_so_is_the_log(loop, transports, case):
    make_server, make_client, alert, words = FAILURES[case]

    async def main():
        service = await Service().start(make_server())
        assert await asyncio.to_thread(visit, service.port, make_client()) == alert
        line = await service.line()
        assert line.startswith("the TLS handshake of 127.0.0.1 failed: ")
        assert words in line
        assert service.lines.empty()
        service.stop()

    run(loop, main())


def test_an_alert_is_not_lost_to_what_the_client_sends_meanwhile(loop, transports):
    """Of TLS 1.3 the request leaves together with the end of the handshake."""

    async def main():
        service = await Service().start(asking_for_certificates())
        client = client_side(**only(TLS_1_3))
        for _ in range(5):
            alert = await asyncio.to_thread(visit, service.port, client, HELLO * 1000)
            assert alert == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        service.stop()

    run(loop, main())


def test_a_client_that_trusts_somebody_else(loop, transports):
    async def main():
        service = await Service().start(server_side())
        stranger = ssl.create_default_context()
        reason = await asyncio.to_thread(visit, service.port, stranger)
        assert reason == "CERTIFICATE_VERIFY_FAILED"
        assert "it sent the alert 'unknown ca'" in await service.line()
        service.stop()

    run(loop, main())


@pytest.mark.parametrize(
    ("sent", "words"),
    [(HELLO, "it sent plain HTTP to a TLS port"), (b"\0" * 100, "it sent data that is not TLS")],
)
def test_what_is_no_handshake_at_all(loop, transports, sent, words):
    async def main():
        service = await Service().start(server_side())
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.sendall(sent)
            assert words in await service.line()
        service.stop()

    run(loop, main())


def test_who_leaves_or_says_nothing_is_no_line(loop, transports):
    async def main():
        service = await Service().start(server_side(), ssl_handshake_timeout=0.05)
        for _ in range(2):
            socket.create_connection(("127.0.0.1", service.port)).close()
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.settimeout(DEADLINE)
            assert await asyncio.to_thread(client.recv, 1) == b""
        assert service.lines.empty()
        service.stop()

    run(loop, main())


def test_behind_a_proxy_the_client_is_named(loop, transports):
    async def main():
        seen = []
        proxies = ProxyHeaders(TrustedPeers(["127.0.0.1"]), DEADLINE, seen.append)
        service = await Service().start(server_side(**only(TLS_1_3)), proxy_headers=proxies)
        header = b"PROXY TCP4 198.51.100.7 192.0.2.1 50000 443\r\n"
        client = client_side(**only(TLS_1_2))
        alert = await asyncio.to_thread(visit, service.port, client, HELLO, header)
        assert alert == "TLSV1_ALERT_PROTOCOL_VERSION"
        assert "handshake of 198.51.100.7 failed" in await service.line()
        assert seen == []
        service.stop()

    run(loop, main())


def test_aiofastnets_own_transport_is_known():
    """A new version of it is noticed here, and not by what it costs."""
    aiofastnet = pytest.importorskip("aiofastnet.ssl_transport")
    if aiofastnet.SSLEngineDirect is None:
        pytest.skip("Python is linked statically")
    importlib.import_module("bascule.loop.fastnet")


def test_aiofastnet_without_an_openssl_of_its_own(loop, monkeypatch):
    """Where Python is linked statically."""
    monkeypatch.setitem(sys.modules, "bascule.loop.fastnet", None)

    async def main():
        make_server, make_client, alert, _ = FAILURES["version"]
        context = make_server()
        context._aiofastnet_force_fallback_ssl = True
        service = await Service().start(context)
        assert await asyncio.to_thread(visit, service.port, make_client()) == alert
        service.stop()

    run(loop, main())


def test_farewells_are_few_and_short(loop, monkeypatch):
    monkeypatch.setattr(module, "MOST_FAREWELLS", 2)
    monkeypatch.setattr(module, "FAREWELL_SECONDS", 0.05)

    async def main():
        farewells = Farewells(asyncio.get_running_loop())
        pairs = [socket.socketpair() for _ in range(3)]
        for ours, theirs in pairs:
            theirs.settimeout(DEADLINE)
            ours.setblocking(False)
            farewells.say(ours, b"alert")
            ours.close()
        assert [theirs.recv(9) for _, theirs in pairs] == [b"alert", b"alert", b""]
        # Bytes that they still send are read, and then they are cut off.
        pairs[0][1].sendall(b"x" * 1000)
        await asyncio.to_thread(until_cut_off, pairs[1][1])
        await asyncio.to_thread(until_cut_off, pairs[0][1])
        for _, theirs in pairs:
            theirs.close()

    run(loop, main())


def until_cut_off(sock):
    with suppress(BrokenPipeError, ConnectionResetError):
        while True:
            sock.sendall(b"x" * 65536)


def test_farewells_that_are_aborted_leave_nothing(loop):
    async def main():
        before = len(os.listdir("/proc/self/fd"))
        farewells = Farewells(asyncio.get_running_loop())
        ours, theirs = socket.socketpair()
        farewells.say(ours)
        farewells.abort()
        ours.close()
        assert theirs.recv(1) == b""
        # The server does not wait for a client that has gone already.
        farewells.say(theirs, b"x")
        theirs.close()
        assert len(os.listdir("/proc/self/fd")) == before

    run(loop, main())


def test_a_reason_that_is_not_known_is_told_as_openssl_says_it():
    error = ssl.SSLError()
    error.reason = "DIGEST_CHECK_FAILED"
    assert why_failed(error) == ("OpenSSL says 'digest check failed'",) * 2
    assert why_failed(ConnectionResetError()) is None
