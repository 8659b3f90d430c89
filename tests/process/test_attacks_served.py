"""Many clients that are slow on purpose: no other client notices, and deadlines end each of them.

test_limits_served.py has the tests with one such client.
"""

import os
import select
import socket
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support import http2_frames
from support.http import RawClient, request_bytes
from support.server import running

APPS = Path(__file__).parent / "apps"
COUNT = 200
HONEST = 100
DEADLINE = 20
TARGETS = [("process_asgi:app",), ("process_wsgi", "--threads", "4")]
# Heads in the middle, bodies in the middle, answers that are not read, and nothing at all.
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: a"
BODY = request_bytes("POST", "/echo", [("Content-Length", "1000000")]) + b"x"
READ = request_bytes("GET", "/large")
KINDS = {"heads": HEAD, "bodies": BODY, "readers": READ, "idle": b""}


@contextmanager
def attackers(port, data, count=COUNT):
    """So many connections that have sent this and take nothing."""
    with ExitStack() as stack:
        socks = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(DEADLINE)
            sock.connect(("127.0.0.1", port))
            sock.sendall(data)
            socks.append(sock)
        yield socks


def assert_served(port):
    """Every request is answered, on a connection that stays and on new ones."""
    with RawClient(port) as kept:
        for number in range(HONEST):
            kept.request("POST", "/echo", body=b"%d" % number)
            assert kept.read_response("POST").body == b"%d" % number
    for _ in range(HONEST):
        with RawClient(port) as client:
            client.request("GET", "/")
            assert client.read_response().status == 200


def poke(socks):
    """Send one more byte on each. Sockets that the server has closed do not count."""
    for sock in socks:
        sock.sendall(b"a")


def ended(socks):
    """The data that each has received, when the server has ended all of them."""
    until = time.monotonic() + DEADLINE
    got = dict.fromkeys(socks, b"")
    waiting = set(socks)
    for sock in socks:
        # A large response should arrive at once.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    while waiting:
        ready = select.select(waiting, [], [], max(0, until - time.monotonic()))[0]
        assert ready, f"{len(waiting)} are still there"
        for sock in ready:
            try:
                data = sock.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            got[sock] += data
            if not data:
                waiting.discard(sock)
    return list(got.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", TARGETS, ids=["asgi", "wsgi"])
def test_honest_requests_are_answered(target, kind):
    with (
        running(*target, "--no-access-log", cwd=APPS) as server,
        attackers(server.port, KINDS[kind]) as socks,
    ):
        assert_served(server.port)
        if kind in ("heads", "bodies"):
            poke(socks)
            assert_served(server.port)
        # None of them was taken away to make room.
        readable = select.select(socks, [], [], 0)[0]
        assert all(sock.recv(1, socket.MSG_PEEK) for sock in readable)
        assert kind == "readers" or readable == []


def resident(server):
    """Bytes of memory that the server has."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_shut_windows_hold_neither_threads_nor_memory():
    """HTTP/2: 40 connections that ask for 80 pages each, and let nothing of them through."""
    get = [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", b"a"),
        (b":path", b"/page"),
    ]
    asked = b"".join(http2_frames.headers(number, get) for number in range(1, 161, 2))
    opening = http2_frames.PREFACE + http2_frames.settings(INITIAL_WINDOW_SIZE=0)
    with running("process_wsgi", "--threads", "4", "--no-access-log", cwd=APPS) as server:
        assert_served(server.port)
        before = resident(server)
        with attackers(server.port, opening + asked, 40):
            assert_served(server.port)
            # All they have asked for would be 320 MB.
            grown = resident(server) - before
            assert grown < 120_000_000, grown
        until = time.monotonic() + DEADLINE
        while resident(server) - before > 25_000_000:
            assert time.monotonic() < until, f"{resident(server) - before} bytes are kept"
            assert_served(server.port)


@pytest.mark.parametrize("target", TARGETS, ids=["asgi", "wsgi"])
def test_all_kinds_together(target):
    with running(*target, "--no-access-log", cwd=APPS) as server, ExitStack() as stack:
        for data in KINDS.values():
            stack.enter_context(attackers(server.port, data))
        assert_served(server.port)


@pytest.mark.parametrize("target", TARGETS, ids=["asgi", "wsgi"])
def test_slow_heads_are_ended_by_their_deadline(target):
    with (
        running(*target, "--timeout-request-head", "0.5", cwd=APPS) as server,
        attackers(server.port, HEAD) as socks,
    ):
        answers = ended(socks)
        assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
        assert_served(server.port)


@pytest.mark.parametrize("target", TARGETS, ids=["asgi", "wsgi"])
def test_those_who_say_nothing_are_ended_by_the_deadline_of_a_head(target):
    with (
        running(*target, "--timeout-request-head", "0.5", cwd=APPS) as server,
        attackers(server.port, b"") as socks,
    ):
        assert ended(socks) == [b""] * COUNT
        assert_served(server.port)


@pytest.mark.parametrize("target", TARGETS, ids=["asgi", "wsgi"])
def test_those_who_say_nothing_more_are_ended_by_the_keep_alive_deadline(target):
    with (
        running(*target, "--timeout-keep-alive", "0.5", cwd=APPS) as server,
        attackers(server.port, request_bytes("GET", "/")) as socks,
    ):
        answers = ended(socks)
        assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
        assert_served(server.port)


@pytest.mark.parametrize("target", TARGETS, ids=["asgi", "wsgi"])
def test_those_who_do_not_read_are_ended_by_the_write_deadline(target):
    with (
        running(*target, "--timeout-write", "0.5", cwd=APPS) as server,
        # More than the system takes in their place, and fewer of them for that.
        attackers(server.port, request_bytes("GET", "/stream"), 20) as socks,
    ):
        # Nothing is read here before all of them are given up, or they would not be slow.
        server.wait_for_output('"GET /stream HTTP/1.1" ', times=len(socks))
        assert "reads nothing: connection closed" in server.output()
        assert all(len(answer) < 8 << 20 for answer in ended(socks))
        assert_served(server.port)
