"""Limits by flag, slow clients, and clients that drop off: honest requests never notice."""

import random
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.commands import clean_environment
from support.http import RawClient, exchange, raw_exchange, request_bytes
from support.inprocess import Served
from support.server import running

APPS = Path(__file__).parent / "apps"
sys.path.insert(0, str(APPS))

import process_asgi  # noqa: E402
import process_wsgi  # noqa: E402

ASGI = "process_asgi:app"
WSGI = "process_wsgi"


def serve(target, *args, **options):
    return running(target, *args, cwd=APPS, **options)


def refused(port, data):
    """The one response to `data`, behind which the connection is closed."""
    with RawClient(port) as client:
        client.send(data)
        response = client.read_response()
        assert response.header("connection") == "close"
        assert client.read_to_end() == b""
    return response


# Each limit by its flag: what is just within it is served.


def test_the_length_of_the_request_line():
    with serve(ASGI, "--limit-request-line", "100") as server:
        fits = "/" + "x" * (100 - len("GET / HTTP/1.1"))
        assert exchange(server.port, "GET", fits).status == 200
        response = refused(server.port, request_bytes("GET", fits + "x"))
        assert response.status == 414
        assert b"100" in response.body


def test_the_number_of_fields():
    with serve(ASGI, "--limit-request-fields", "10") as server:
        fields = [(f"X-{number}", "1") for number in range(9)]
        assert exchange(server.port, "GET", "/", fields).status == 200
        assert refused(server.port, request_bytes("GET", "/", [*fields, ("X", "1")])).status == 431


def test_the_size_of_the_head():
    with serve(ASGI, "--limit-request-head", "1000") as server:
        spare = 1000 - len(request_bytes("GET", "/", [("X", "")]))
        assert exchange(server.port, "GET", "/", [("X", "y" * spare)]).status == 200
        longer = request_bytes("GET", "/", [("X", "y" * (spare + 1))])
        assert refused(server.port, longer).status == 431


def test_the_size_of_a_field_whose_end_never_comes():
    with serve(ASGI, "--limit-request-head", "1000") as server:
        endless = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 2000
        assert refused(server.port, endless).status == 431


@pytest.mark.parametrize("target", [ASGI, WSGI])
def test_the_size_of_a_body(target):
    with serve(target, "--limit-request-body", "1000") as server:
        assert exchange(server.port, "POST", "/echo", body=b"x" * 1000).body == b"x" * 1000
        declared = request_bytes("POST", "/echo", [("Content-Length", "1001")])
        assert refused(server.port, declared).status == 413
        with RawClient(server.port) as client:
            client.request_chunked("POST", "/echo", [b"x" * 500] * 2)
            assert client.read_response("POST").body == b"x" * 1000
            client.send(request_bytes("POST", "/echo", [("Transfer-Encoding", "chunked")]))
            client.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\ny\r\n")
            assert client.read_response("POST").status == 413
            assert client.read_to_end() == b""


def test_a_body_over_the_limit_is_refused_before_100_continue():
    with serve(ASGI, "--limit-request-body", "1000") as server:
        fields = [("Content-Length", "1001"), ("Expect", "100-continue")]
        response = refused(server.port, request_bytes("POST", "/echo", fields))
        assert response.status == 413
        assert response.interim == []


def test_the_time_for_a_head():
    with serve(ASGI, "--timeout-request-head", "0.3") as server:
        assert refused(server.port, b"GET / HTTP/1.1\r\nHost: a\r\n").status == 408
        with RawClient(server.port) as client:
            assert client.read_to_end() == b""


def test_the_time_between_requests():
    with serve(ASGI, "--timeout-keep-alive", "0.3") as server, RawClient(server.port) as client:
        client.request("GET", "/")
        response = client.read_response()
        assert response.status == 200
        assert response.header("connection") is None
        assert client.read_to_end() == b""


@pytest.mark.parametrize("target", [ASGI, WSGI])
def test_the_time_without_a_byte_taken(target):
    with serve(target, "--timeout-write", "0.3", "--threads", "1") as server:
        with slow_reader(server.port) as client:
            client.request("GET", "/stream")
            # The only thread is free again, and so is the client.
            assert exchange(server.port, "GET", "/").status == 200
            server.wait_for_output("reads nothing: connection closed")
            assert len(client.read_to_end()) < 8 << 20
        assert server.stop() == 0
        assert "Traceback" not in server.output()


def slow_reader(port):
    """A client whose system holds next to nothing of what it has not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(20)
    sock.connect(("127.0.0.1", port))
    return RawClient(sock=sock)


def begin_upload(port):
    client = RawClient(port)
    client.request("POST", "/echo", [("Expect", "100-continue"), ("Content-Length", "5")])
    assert client.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
    return client


@pytest.mark.parametrize("target", [ASGI, WSGI])
def test_the_number_of_requests_at_once(target):
    with serve(target, "--limit-concurrency", "1") as server:
        with begin_upload(server.port) as busy, RawClient(server.port) as other:
            other.request("GET", "/")
            response = other.read_response()
            assert response.status == 503
            assert response.header("retry-after") == "1"
            busy.send(b"hello")
            assert busy.read_response("POST").body == b"hello"
            other.request("GET", "/")
            assert other.read_response().status in (200, 503)
        assert exchange(server.port, "GET", "/").status == 200


def test_the_number_of_connections():
    with serve(ASGI, "--limit-connections", "2") as server:
        with crowd(2, RawClient, server.port) as (first, second):
            for client in (first, second):
                client.request("GET", "/")
                assert client.read_response().status == 200
            with RawClient(server.port) as third:
                third.request("GET", "/")
                server.wait_for_output("2 connections are open")
                third.sock.setblocking(False)
                with pytest.raises(BlockingIOError):
                    third.sock.recv(1)
                first.close()
                assert third.read_response().status == 200
            second.request("GET", "/")
            assert second.read_response().status == 200
        assert server.stop() == 0


def test_the_number_of_connections_holds_in_a_rush():
    """All of them knock before the server opens its door."""
    served = Served(process_asgi.app, limit_connections=3)
    with crowd(10, RawClient, served.port) as clients, served:
        for client in clients:
            client.request("GET", "/")
        for number, client in enumerate(clients):
            assert client.read_response().status == 200
            assert served.run(count(served.hub)) <= 3, f"at client {number}"
            client.close()
        assert "3 connections are open" in served.taken_log()


async def count(hub):
    return len(hub.connections)


def test_running_out_of_descriptors_is_said_and_got_over():
    """Twenty descriptors cannot hold sixty clients; those that wait are served in their turn."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, number = listener.getsockname()[1], listener.fileno()
        command = f'ulimit -n 40; exec "$0" -m bascule serve {ASGI} --fd {number}'
        process = subprocess.Popen(
            ["/bin/sh", "-c", command, sys.executable],
            cwd=APPS,
            env=clean_environment(),
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        assert exchange(port, "GET", "/").status == 200
        with crowd(60, RawClient, port) as clients:
            for client in clients:
                client.request("GET", "/")
            for client in clients:
                assert client.read_response().status == 200
                client.close()
        assert_prompt(port)
        process.terminate()
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert process.returncode == 0
    # Each time it runs out is said, and each time that is over; the attempts between are not.
    starved = errors.count("cannot accept connections")
    assert 1 <= starved <= 10
    assert errors.count("accepting connections again") == starved
    assert "Traceback" not in errors


# Slow clients.


@contextmanager
def crowd(count, connect, port):
    """`count` connections at once."""
    clients = [connect(port) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def assert_prompt(port, answers=20):
    """Honest requests are answered, within the seconds that a client has for all of them."""
    with RawClient(port, deadline=5) as client:
        for _ in range(answers):
            client.request("GET", "/")
            assert client.read_response().status == 200


@pytest.mark.parametrize("args", [(ASGI,), (WSGI, "--threads", "2"), (WSGI, "--threads", "0")])
def test_heads_that_come_byte_by_byte(args):
    head = request_bytes("GET", "/")
    with serve(*args) as server, crowd(50, RawClient, server.port) as slow:
        for at, byte in enumerate(head):
            for client in slow:
                client.send(bytes([byte]))
            if at % 10 == 0:
                assert_prompt(server.port, 1)
        for client in slow:
            assert client.read_response().status == 200


@pytest.mark.parametrize("args", [(ASGI,), (WSGI, "--threads", "2"), (WSGI, "--threads", "0")])
def test_bodies_that_do_not_come(args):
    """More of them than there are threads, for longer than a few ticks."""
    with serve(*args) as server, crowd(10, RawClient, server.port) as slow:
        for client in slow:
            client.send(request_bytes("POST", "/echo", [("Content-Length", "1000")]) + b"x")
        for turn in range(3):
            # A line of the access log is written by a tick.
            assert exchange(server.port, "GET", f"/tick-{turn}").status == 200
            server.wait_for_output(f"/tick-{turn} ")
        assert_prompt(server.port)
        for client in slow:
            client.send(b"y" * 999)
            assert client.read_response("POST").body == b"x" + b"y" * 999


@pytest.mark.parametrize("args", [(ASGI,), (WSGI, "--threads", "4")])
def test_readers_that_do_not_read(args):
    with serve(*args) as server, crowd(3, slow_reader, server.port) as slow:
        for client in slow:
            client.request("GET", "/stream")
            assert client.sock.recv(1) == b"H"
        assert_prompt(server.port)
        for client in slow:
            client.unread = b"H"
            assert len(client.read_response().body) == 8 << 20


def test_a_reader_of_a_whole_response_occupies_no_thread():
    """The server alone sends a response that the application has passed on in one piece."""
    with serve(WSGI, "--threads", "1") as server, crowd(5, slow_reader, server.port) as slow:
        for client in slow:
            client.request("GET", "/large")
            assert client.sock.recv(1) == b"H"
        assert_prompt(server.port)
        for client in slow:
            client.unread = b"H"
            assert client.read_response().body == process_wsgi.LARGE


def test_pipelining_without_reading_is_bounded():
    """A client that sends on and on and takes nothing: the server stops reading it."""
    with serve(ASGI) as server, slow_reader(server.port) as greedy:
        greedy.sock.setblocking(False)
        series = request_bytes("GET", "/large") * 100
        sent, takes_more = 0, True
        while takes_more and sent < 64 << 20:
            try:
                sent += greedy.sock.send(series)
            except BlockingIOError:
                takes_more = False
        assert not takes_more
        assert_prompt(server.port)


def test_an_upload_that_nobody_reads_still_brings_its_answer():
    """Ten megabytes to a page that does not want them: the client sends all, then reads."""
    with serve(ASGI) as server, RawClient(server.port) as client:
        head = request_bytes("POST", "/", [("Content-Length", str(10 << 20))])
        sender = threading.Thread(target=send_all, args=(client.sock, head + bytes(10 << 20)))
        sender.start()
        sender.join()
        response = client.read_response("POST")
        assert (response.status, response.body) == (200, b"hello from asgi")


def send_all(sock, data):
    try:
        sock.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server has said what it had to say


# Clients that disconnect at random bytes of their request or their response.

# Each with the least size of its response, in bytes.
REQUESTS = [
    (request_bytes("GET", "/"), 50),
    (request_bytes("GET", "/") * 5, 250),
    (request_bytes("GET", "/large"), 1 << 20),
    (request_bytes("GET", "/stream"), 1 << 20),
    (request_bytes("POST", "/echo", body=b"x" * 1000), 1000),
    (request_bytes("POST", "/echo", body=b"x" * 300_000), 300_000),
    (
        request_bytes("POST", "/echo", [("Transfer-Encoding", "chunked")])
        + b"5\r\nhello\r\n" * 100
        + b"0\r\n\r\n",
        500,
    ),
    (request_bytes("POST", "/", body=b"x" * 1000) + request_bytes("GET", "/large"), 1 << 20),
]
DROPPED = 200


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize(
    ("app", "threads"),
    [(process_asgi.app, 2), (process_wsgi.application, 2), (process_wsgi.application, 0)],
    ids=["asgi", "wsgi", "wsgi-inline"],
)
def test_clients_that_drop_off_leave_nothing(app, threads, loop):
    """`Served` sees that no connection, call, task or thread is left, and no complaint was
    made."""
    chance = random.Random(20260801)
    with Served(app, loop, threads=threads, access_log=False) as served:
        for _ in range(DROPPED):
            drop_off(served.port, chance)
        with RawClient(served.port) as client:
            client.request("GET", "/")
            assert client.read_response().body.startswith(b"hello from")


def drop_off(port, chance):
    request, answer = chance.choice(REQUESTS)
    sends = chance.choice([len(request), chance.randrange(len(request))])
    reads = chance.choice([0, 1, chance.randrange(answer)]) if sends == len(request) else 0
    with RawClient(port) as client:
        client.send(request[:sends])
        while reads > 0:
            data = client.sock.recv(reads)
            assert data, "the server closed before it had answered"
            reads -= len(data)
        if chance.random() < 0.5:
            client.reset()


def test_a_process_that_was_dropped_often_has_nothing_to_wait_for():
    chance = random.Random(4)
    with serve(WSGI) as server:
        assert exchange(server.port, "GET", "/").status == 200
        for _ in range(DROPPED):
            drop_off(server.port, chance)
        assert_prompt(server.port)
        # The drain ends when every connection has: what is left would hold it up.
        assert server.stop(deadline=10) == 0
        assert "were still running" not in server.output()


@pytest.mark.parametrize("args", [(ASGI,), (WSGI,), (WSGI, "--threads", "0")])
def test_python_in_development_mode_has_nothing_to_say(args):
    """-X dev tells of what is not closed, not awaited, or called from the wrong thread."""
    chance = random.Random(17)
    env = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "default"}
    with serve(*args, "--no-access-log", env=env) as server:
        for _ in range(50):
            drop_off(server.port, chance)
        assert exchange(server.port, "GET", "/stream").status == 200
        assert_prompt(server.port)
        assert server.stop() == 0
        output = server.output()
    assert "Warning" not in output
    assert "Traceback" not in output
    # Nothing blocks the loop while it serves. The start may take longer than the tenth of a second
    # that asyncio allows, beside other work.
    slow = [line for line in output.splitlines() if "Executing <" in line]
    assert [line for line in slow if "Process.main()" not in line] == []


def test_refused_requests_do_not_wear_the_server_out():
    with serve(ASGI) as server:
        for _ in range(100):
            assert raw_exchange(server.port, b"nonsense\r\n\r\n")[0].status == 400
        assert_prompt(server.port)
