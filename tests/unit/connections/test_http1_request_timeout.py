"""The deadline for requests, just before it and just after it, and what does not end by it."""

import logging
import sys

import pytest
from connection_rig import Rig, request, statuses

from bascule.connections.hub import TICK
from bascule.connections.overdue import BUDGET, SAID_AGAIN_AFTER, STUCK_AFTER
from support.flag import Flag

TIMEOUT = 10.0


@pytest.fixture
def limited(make_rig) -> Rig:
    rig = make_rig()
    rig.configure(request_timeout=TIMEOUT)
    return rig


def errors(caplog):
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


def test_a_request_is_given_up_at_its_deadline(limited, caplog):
    client = limited.connect()
    client.send(request("/slow?secret=1"))
    limited.pass_time(TIMEOUT)
    assert statuses(client) == []
    limited.pass_time(TICK)
    assert statuses(client) == [504]
    assert limited.access_lines == [("GET", "/slow?secret=1", 504)]
    assert limited.calls[0].ended.cancelled()
    (line,) = errors(caplog)
    assert line.startswith("GET /slow: no response within 10 s (--request-timeout), answered 504;")
    assert "ASGI, waiting on the loop" in line
    assert "await call.ended" in line
    assert limited.hub.overdue.stuck == 0
    client.close()
    limited.assert_nothing_left()


def test_the_connection_serves_the_next_request(limited, caplog):
    client = limited.connect()
    client.send(request("/slow"))
    limited.pass_time(TIMEOUT + TICK)
    client.send(request("/next"))
    limited.calls[1].respond()
    assert statuses(client) == [504, 200]
    # The next one has all the time that there is.
    client.send(request("/third"))
    limited.pass_time(TIMEOUT)
    limited.calls[2].respond()
    assert statuses(client) == [504, 200, 200]


def test_a_response_that_has_begun_may_last(limited):
    client = limited.connect()
    client.send(request("/events"))
    limited.pass_time(TIMEOUT / 2)
    limited.calls[0].start()
    limited.calls[0].body(b"first")
    limited.pass_time(TIMEOUT * 10)
    limited.calls[0].body(b"last", more=False)
    limited.calls[0].end()
    assert b"last" in client.received
    assert statuses(client) == [200]


def test_a_head_that_is_kept_back_is_no_response_yet(limited, caplog):
    """ASGI: http.response.start alone sends nothing."""
    client = limited.connect()
    client.send(request())
    limited.calls[0].start()
    limited.pass_time(TIMEOUT + TICK)
    assert statuses(client) == [504]


def test_an_interim_response_is_no_response(limited, caplog):
    client = limited.connect()
    client.send(request())
    hint = {"type": "http.response.early_hint", "links": [b"</a>"]}
    limited.calls[0].send(hint).result()
    limited.pass_time(TIMEOUT + TICK)
    assert statuses(client) == [103, 504]


def test_the_upload_counts(limited, caplog):
    client = limited.connect()
    client.send(request("/", "Content-Length: 9", method="POST"))
    limited.pass_time(TIMEOUT + TICK)
    assert statuses(client) == [504]
    # The rest of it is thrown away.
    client.send(b"123456789" + request("/next"))
    limited.calls[1].respond()
    assert statuses(client) == [504, 200]


def test_without_a_limit_nothing_is_given_up(rig):
    client = rig.connect()
    client.send(request())
    rig.pass_time(1000)
    rig.calls[0].respond()
    assert statuses(client) == [200]


def test_a_request_does_not_suffer_for_a_blocked_loop(limited):
    """The clock of the last tick is old when it is read."""
    client = limited.connect()
    limited.loop.now += 100 * TIMEOUT
    client.send(request())
    limited.pass_time(TIMEOUT)
    assert statuses(client) == []
    limited.calls[0].respond()
    assert statuses(client) == [200]


def test_an_application_that_blocks_the_loop_has_no_more_time_for_it(limited, caplog):
    client = limited.connect()
    client.send(request("/slow"))
    limited.pass_time(TICK)
    limited.stand_still(TIMEOUT)
    assert statuses(client) == [504]


def test_a_handshake_has_its_own_deadline_and_an_open_websocket_none(limited):
    handshake = request(
        "/chat",
        "Connection: upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    client = limited.connect()
    client.send(handshake)
    limited.pass_time(TIMEOUT + 1)
    assert statuses(client) == []
    limited.calls[0].send({"type": "websocket.accept"}).result()
    limited.pass_time(TIMEOUT + 1)
    assert statuses(client) == [101]
    assert not limited.calls[0].ended.cancelled()


def test_a_task_that_ignores_its_cancelling_is_stuck(limited, caplog):
    async def stubborn(scope, receive, send):
        while not release.is_set:
            try:
                await limited.loop.create_future()
            except BaseException:
                noticed.append(1)

    release, noticed = Flag(), []
    limited.interface.app = stubborn
    overdue = limited.hub.overdue
    client = limited.connect()
    client.send(request("/stubborn"))
    limited.pass_time(TIMEOUT + TICK)
    assert statuses(client) == [504]
    assert noticed == [1]
    limited.pass_time(STUCK_AFTER - TICK)
    assert overdue.stuck == 0
    limited.pass_time(TICK)
    assert overdue.stuck == 1
    line = errors(caplog)[-1]
    assert line.startswith("GET /stubborn: stuck: it was interrupted, and still runs")
    assert "in stubborn" in errors(caplog)[-1]
    limited.pass_time(SAID_AGAIN_AFTER)
    assert len(errors(caplog)) == 3
    release.set()
    (call,) = limited.interface.calls()
    call.task.cancel()
    limited.pass_time(TICK)
    assert overdue.stuck == 0
    assert errors(caplog)[-1].startswith("GET /stubborn: returned at last, after ")


def test_what_many_clients_cause_is_counted(limited, caplog):
    clients = [limited.connect() for _ in range(BUDGET + 5)]
    for client in clients:
        client.send(request("/slow"))
    limited.pass_time(TIMEOUT + TICK)
    assert [statuses(client) for client in clients] == [[504]] * len(clients)
    assert len(errors(caplog)) == BUDGET
    assert [kind for kind, _ in limited.warnings] == ["request timeout"] * 5


# WSGI.


class Gate:
    """A WSGI application that waits to be let go, once it has been reached."""

    def __init__(self):
        self.reached = Flag()
        self.release = Flag()
        self.paths = []

    def __call__(self, environ, start_response):
        self.paths.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/wait":
            self.reached.set()
            self.release.wait()
        start_response("200 OK", [])
        return [b"fine"]


def test_a_queued_request_is_given_up_and_not_run(make_rig, caplog):
    app = Gate()
    rig = make_rig(app, threads=1)
    rig.configure(request_timeout=TIMEOUT)
    first, second = rig.connect(), rig.connect()
    first.send(request("/wait"))
    app.reached.wait()
    second.send(request("/queued"))
    rig.loop.now += TICK
    rig.loop.run_soon(second.protocol.tick, rig.hub.look_at_clock())
    rig.loop.now += TIMEOUT
    rig.loop.run_soon(second.protocol.tick, rig.hub.look_at_clock())
    assert statuses(second) == [504]
    assert "WSGI, queued for a thread" in errors(caplog)[0]
    assert rig.interface.running == 1
    app.release.set()
    rig.loop.until(lambda: statuses(first) == [200])
    assert app.paths == ["/wait"]


@pytest.mark.parametrize("timeout", [0.0, 60.0])
def test_a_request_that_waits_no_longer_than_it_may_is_run(make_rig, timeout):
    app = Gate()
    rig = make_rig(app, threads=1, queue_timeout=timeout)
    client = rig.connect()
    client.send(request("/quick"))
    rig.loop.until(lambda: statuses(client) == [200])


def long_or_short(environ, start_response):
    start_response("200 OK", [])
    return (bytes(65536) for _ in range(3)) if environ["PATH_INFO"] == "/long" else [b"short"]


@pytest.mark.parametrize("timeout", [0.0, 1e-9])
def test_very_many_may_wait_for_their_turn_on_the_loop(make_rig, timeout):
    """More than functions may be called inside each other."""
    rig = make_rig(long_or_short, threads=0)
    slow = rig.connect(reads=False)
    slow.send(request("/long"))
    clients = [rig.connect() for _ in range(sys.getrecursionlimit() + 100)]
    for client in clients:
        client.send(request())
    assert len(rig.interface.queue.waiting) == len(clients)
    rig.interface.queue_timeout = timeout
    slow.start_reading()
    expected = [503 if timeout else 200]
    assert all(statuses(client) == expected for client in clients)
    assert statuses(slow) == [200]
    rig.pass_time(0.25)
    assert rig.interface.running == 0
