"""SIGTERM and SIGINT, while anything at all is going on; and what keeps a server from starting."""

import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.http import RawClient, exchange
from support.server import running

APPS = Path(__file__).parent / "apps"

ASGI = "process_asgi:app"
WSGI = "process_wsgi"
KINDS = [
    pytest.param((ASGI,), id="asgi"),
    pytest.param((WSGI, "--threads", "2"), id="wsgi"),
    pytest.param((WSGI, "--threads", "0"), id="wsgi-inline"),
]
THREADED = KINDS[:2]
UPLOAD = [("Expect", "100-continue"), ("Content-Length", "5")]


def serve(kind, *args, **options):
    return running(*kind, *args, cwd=APPS, **options)


def begin_upload(server):
    """A request that the application is reading, once this has returned."""
    client = RawClient(server.port)
    client.request("POST", "/echo", UPLOAD)
    assert client.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
    return client


def go_idle(server):
    """A connection on which a request has been answered."""
    client = RawClient(server.port)
    client.request("GET", "/")
    assert client.read_response().status == 200
    return client


def is_refused(port):
    """Whether no server listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


# The drain.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_what_is_in_flight_is_finished(kind, number):
    with serve(kind) as server, go_idle(server) as idle, begin_upload(server) as busy:
        server.signal(number)
        assert idle.read_to_end() == b""
        busy.send(b"hello")
        response = busy.read_response("POST")
        assert (response.status, response.body) == (200, b"hello")
        assert response.header("connection") == "close"
        assert busy.read_to_end() == b""
        assert server.wait() == 0
        output = server.output()
    assert "stopping" in output
    assert output.count('"POST /echo HTTP/1.1" 200') == 1
    assert "Traceback" not in output


def test_new_connections_are_refused_while_it_stops():
    with serve((ASGI,)) as server, go_idle(server) as idle, begin_upload(server) as busy:
        server.signal(signal.SIGTERM)
        assert idle.read_to_end() == b""
        assert is_refused(server.port)
        busy.send(b"hello")
        assert busy.read_response("POST").body == b"hello"
        assert server.wait() == 0


def test_connections_are_refused_behind_it():
    with serve((ASGI,)) as server:
        assert exchange(server.port, "GET", "/").status == 200
        assert server.stop() == 0
        assert is_refused(server.port)


def test_a_request_whose_head_is_on_its_way_is_still_served():
    with serve((ASGI,)) as server, go_idle(server) as idle, RawClient(server.port) as late:
        late.send(b"GET / HTTP/1.1\r\n")
        # Answered behind it, so the server has seen the beginning by now.
        assert exchange(server.port, "GET", "/").status == 200
        server.signal(signal.SIGTERM)
        assert idle.read_to_end() == b""
        late.send(b"Host: test\r\n\r\n")
        assert late.read_response().body == b"hello from asgi"
        assert server.wait() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_had_arrived_before_the_signal_is_answered(kind):
    """A server that was busy elsewhere finds all of it at once: connections that wait to be
    accepted, requests on them, requests on connections that were idle, and the signal.
    """
    with ExitStack() as stack:
        server = stack.enter_context(serve(kind))
        clients = [stack.enter_context(go_idle(server)) for _ in range(5)]
        server.signal(signal.SIGSTOP)
        clients += [stack.enter_context(RawClient(server.port)) for _ in range(40)]
        for client in clients:
            client.request("GET", "/")
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)
        for client in clients:
            assert client.read_response().status == 200
            assert client.read_to_end() == b""
        assert server.wait() == 0


def test_requests_that_wait_for_a_thread_are_answered():
    with ExitStack() as stack:
        server = stack.enter_context(serve((WSGI, "--threads", "1")))
        idle = stack.enter_context(go_idle(server))
        busy = stack.enter_context(begin_upload(server))
        waiting = [stack.enter_context(RawClient(server.port)) for _ in range(3)]
        for client in waiting:
            client.request("POST", "/echo", body=b"in the queue")
        server.signal(signal.SIGTERM)
        assert idle.read_to_end() == b""
        busy.send(b"hello")
        assert busy.read_response("POST").body == b"hello"
        for client in waiting:
            assert client.read_response("POST").body == b"in the queue"
        assert server.wait() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_response_that_is_being_read_is_finished(kind):
    with serve(kind) as server, go_idle(server) as idle, RawClient(server.port) as reader:
        reader.request("GET", "/stream")
        begin = reader.receive()
        server.signal(signal.SIGTERM)
        if kind[-1] != "0":
            # With --threads 0 the loop may be inside the application until the client reads.
            assert idle.read_to_end() == b""
        reader.unread = begin
        assert len(reader.read_response().body) == 8 << 20
        assert reader.read_to_end() == b""
        assert server.wait() == 0


@pytest.mark.parametrize("kind", THREADED)
def test_what_takes_too_long_is_cut_off(kind):
    with (
        serve(kind, "--timeout-graceful-shutdown", "0.3") as server,
        begin_upload(server) as busy,
    ):
        server.signal(signal.SIGTERM)
        assert busy.read_to_end() == b""
        assert server.wait() == 0
        output = server.output()
    assert "--timeout-graceful-shutdown" in output
    assert output.count("WARNING") == 1


@pytest.mark.parametrize("kind", THREADED)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_second_signal_stops_at_once(kind, number):
    with serve(kind) as server, begin_upload(server) as busy:
        server.signal(number)
        server.wait_for_output("stopping")
        server.signal(number)
        assert busy.read_to_end() == b""
        assert server.wait() == 1


def test_an_impatient_second_signal_of_the_other_kind_counts():
    with serve((ASGI,)) as server, begin_upload(server):
        server.signal(signal.SIGINT)
        server.wait_for_output("stopping")
        server.signal(signal.SIGTERM)
        assert server.wait() == 1


@pytest.mark.parametrize("kind", THREADED)
def test_an_application_that_never_comes_back_does_not_keep_the_process(kind):
    with (
        serve(kind, "--timeout-graceful-shutdown", "0.3") as server,
        RawClient(server.port) as client,
    ):
        client.request("GET", "/stubborn")
        server.wait_for_output("stubborn begins")
        server.signal(signal.SIGTERM)
        assert client.read_to_end() == b""
        assert server.wait(deadline=10) == 0
        assert "left behind" in server.output()


def test_a_thread_that_is_cut_off_has_a_moment_to_tidy_up():
    with (
        serve((WSGI, "--timeout-graceful-shutdown", "0.3")) as server,
        RawClient(server.port) as client,
    ):
        client.request("POST", "/unhurried", UPLOAD)
        assert client.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
        server.signal(signal.SIGTERM)
        assert client.read_to_end() == b""
        assert server.wait() == 0
        output = server.output()
    assert "tidied up" in output
    assert "left behind" not in output


def test_a_second_signal_ends_a_process_whose_loop_is_blocked():
    with serve((ASGI,)) as server, RawClient(server.port) as client:
        client.request("GET", "/block")
        server.wait_for_output("the loop is blocked")
        server.signal(signal.SIGINT)
        server.wait_for_output("stopping")
        server.signal(signal.SIGINT)
        server.wait(deadline=5)


def test_lifespan_shutdown_runs_when_the_last_request_has_ended():
    with serve((ASGI,)) as server, go_idle(server) as idle, begin_upload(server) as busy:
        server.signal(signal.SIGTERM)
        assert idle.read_to_end() == b""
        assert "lifespan.shutdown seen" not in server.output()
        busy.send(b"hello")
        assert busy.read_response("POST").body == b"hello"
        assert server.wait() == 0
        output = server.output()
    assert output.count("lifespan.startup seen") == 1
    assert output.count("lifespan.shutdown seen") == 1


def test_a_lifespan_shutdown_without_end_is_bounded():
    with serve(("process_asgi:endless_shutdown", "--timeout-graceful-shutdown", "0.3")) as server:
        server.wait_for_output("listening on")
        server.signal(signal.SIGTERM)
        server.wait_for_output("shutdown begins")
        server.wait(deadline=5)


def test_a_second_signal_ends_a_lifespan_shutdown_without_end():
    with serve(("process_asgi:endless_shutdown",)) as server:
        server.wait_for_output("listening on")
        server.signal(signal.SIGTERM)
        server.wait_for_output("shutdown begins")
        server.signal(signal.SIGTERM)
        assert server.wait(deadline=5) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_startup_without_end_can_be_stopped(number):
    with serve(("process_asgi:endless_startup",)) as server:
        server.wait_for_output("startup begins")
        server.signal(number)
        server.wait(deadline=5)
        assert "Traceback" not in server.output()


def test_pipelined_requests_that_were_sent_before_the_end_are_all_answered():
    """A client may send its requests, close its side, and read: each turn of the loop must do."""
    with serve((ASGI,)) as server:
        for turns in range(20):
            with RawClient(server.port) as client:
                client.request("GET", f"/turns?{turns}")
                client.request("GET", "/turns?0")
                client.half_close()
                assert client.read_response().body == b"after %d turns" % turns
                assert client.read_response().body == b"after 0 turns"
                assert client.read_to_end() == b""


# Failures to start.


def test_an_application_that_raises_at_import_gives_3_and_its_own_traceback():
    with serve(("process_broken",)) as server:
        assert server.wait() == 3
        output = server.output()
    assert output.count("Traceback") == 1
    assert "process_broken.py" in output
    assert "ZeroDivisionError: at import" in output
    assert "bascule/" not in output


def test_a_lifespan_that_fails_gives_3_and_its_message():
    with serve(("process_asgi:no_startup",)) as server:
        assert server.wait() == 3
        output = server.output()
    assert "no database at db:5432" in output
    assert "Traceback" not in output
    assert "listening on" not in output


def test_a_lifespan_that_is_wanted_and_not_there_gives_3():
    with serve(("process_asgi:hello", "--lifespan", "on")) as server:
        assert server.wait() == 3
        assert "lifespan" in server.output()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("no_such_module", "no_such_module"),
        ("process_wsgi:applicaton", "application"),
        ("process_asgi:LARGE", "bytes"),
    ],
)
def test_a_target_that_is_none_gives_2_and_says_what_to_type(target, says):
    with serve((target,)) as server:
        assert server.wait() == 2
        output = server.output()
    assert says in output
    assert "Traceback" not in output
