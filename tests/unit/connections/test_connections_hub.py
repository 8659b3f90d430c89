"""The part that connections share: the limits, the clock, the drain."""

import pytest
from connection_rig import FRESH, HEAD, IDLE, request, statuses

from bascule.connections.hub import TICK
from bascule.connections.plan import Deadlines

DEADLINES = Deadlines()


# The limit of connections.


def limited(rig, most):
    rig.configure(max_connections=most)
    return rig.accepting


def test_accepting_stops_at_the_limit(rig):
    accepting = limited(rig, 2)
    rig.connect()
    assert accepting == []
    rig.connect()
    assert accepting == [False]
    assert [kind for kind, _ in rig.warnings] == ["connections"]


def test_accepting_goes_on_when_one_leaves(rig):
    accepting = limited(rig, 2)
    clients = [rig.connect(), rig.connect()]
    clients[0].reset()
    assert accepting == [False, True]
    rig.connect()
    assert accepting == [False, True, False]


def test_connections_that_were_accepted_before_the_pause_are_served(rig):
    """A turn of the loop may accept more than there is room for; none is dropped."""
    accepting = limited(rig, 2)
    clients = [rig.connect() for _ in range(5)]
    for number, client in enumerate(clients):
        client.send(request())
        rig.calls[number].respond()
        assert statuses(client) == [200]
    assert accepting == [False]


def test_accepting_goes_on_only_below_the_limit(rig):
    accepting = limited(rig, 2)
    clients = [rig.connect() for _ in range(5)]
    for client in clients[:3]:
        client.reset()
    assert accepting == [False]
    clients[3].reset()
    assert accepting == [False, True]
    clients[4].reset()
    assert accepting == [False, True]


def test_a_drain_does_not_begin_to_accept_again(rig):
    accepting = limited(rig, 2)
    clients = [rig.connect(), rig.connect()]
    clients[0].send(request())
    rig.drain()
    rig.calls[0].respond()
    rig.pass_time(DEADLINES.linger)
    assert all(client.lost for client in clients)
    assert accepting == [False]


# The limit of requests at once.


def test_more_requests_than_allowed_are_answered_503_and_the_connection_lives(rig):
    rig.configure(max_running=1)
    busy, other = rig.connect(), rig.connect()
    busy.send(request())
    other.send(request("/other"))
    assert statuses(other) == [503]
    assert b"retry-after: 1\r\n" in other.received
    assert b"connection: close" not in other.received
    assert [kind for kind, _ in rig.warnings] == ["concurrency"]
    rig.calls[0].respond()
    other.send(request("/again"))
    assert [call.path for call in rig.calls] == ["/", "/again"]
    rig.calls[1].respond()
    assert statuses(other) == [503, 200]


def test_a_refused_request_with_a_body_leaves_the_connection_in_step(rig):
    rig.configure(max_running=1)
    busy, other = rig.connect(), rig.connect()
    busy.send(request())
    other.send(request("/upload", "Content-Length: 10", method="POST"))
    assert statuses(other) == [503]
    rig.calls[0].respond()
    other.send(b"0123456789" + request("/next"))
    assert [call.path for call in rig.calls] == ["/", "/next"]


def test_pipelined_requests_past_the_limit_each_get_their_503(rig):
    rig.configure(max_running=1)
    busy, other = rig.connect(), rig.connect()
    busy.send(request())
    other.send(request("/1") + request("/2", method="POST", body=b"body") + request("/3"))
    assert statuses(other) == [503, 503, 503]
    assert not other.closing


def test_a_head_request_past_the_limit_gets_no_body(rig):
    rig.configure(max_running=1)
    busy, other = rig.connect(), rig.connect()
    busy.send(request())
    other.send(request(method="HEAD"))
    assert statuses(other) == [503]
    assert other.received.endswith(b"\r\n\r\n")


def test_a_client_that_waits_for_100_continue_is_told_503_and_to_close(rig):
    rig.configure(max_running=1)
    busy, other = rig.connect(), rig.connect()
    busy.send(request())
    other.send(request("/", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    assert statuses(other) == [503]
    assert b"connection: close" in other.received


def test_the_calls_that_count_are_those_that_have_not_returned(rig):
    rig.configure(max_running=1)
    client = rig.connect()
    client.send(request())
    rig.calls[0].start()
    rig.calls[0].body(b"done", more=False).result()
    client.send(request("/next"))
    assert statuses(client) == [200, 503]
    rig.calls[0].end()
    client.send(request("/next"))
    assert len(rig.calls) == 2


# The drain, in every phase.


def test_draining_closes_connections_that_stay_idle(rig):
    client = rig.connect()
    client.send(request())
    rig.calls[0].respond()
    assert client.protocol.transport.phase == IDLE
    rig.drain()
    rig.pass_time(DEADLINES.last_call - TICK)
    assert not client.closing
    rig.pass_time(TICK)
    assert client.lost
    assert not client.aborted
    rig.assert_nothing_left()


def test_a_last_call_does_not_pass_while_nobody_could_be_heard(rig):
    """Neither before the drain, when the clock was last read long ago, nor in it."""
    client = rig.connect()
    client.send(request())
    rig.calls[0].respond()
    rig.loop.now += 100
    rig.drain()
    rig.pass_time(TICK)
    rig.stand_still(100)
    assert not client.closing
    client.send(request("/late"))
    rig.calls[1].respond()
    assert statuses(client) == [200, 200]
    assert client.lost
    rig.assert_nothing_left()


def test_a_request_that_was_on_its_way_when_the_drain_began_is_answered(rig):
    client = rig.connect()
    client.send(request())
    rig.calls[0].respond()
    rig.drain()
    client.send(request("/late"))
    rig.calls[1].respond()
    assert statuses(client) == [200, 200]
    assert client.received.count(b"connection: close") == 1
    assert client.lost
    rig.assert_nothing_left()


def test_draining_gives_a_client_that_has_just_connected_a_moment(rig):
    client = rig.connect()
    assert client.protocol.transport.phase == FRESH
    rig.drain()
    rig.pass_time(DEADLINES.linger - TICK)
    assert not client.closing
    rig.pass_time(TICK)
    assert client.lost
    rig.assert_nothing_left()


def test_a_client_that_connects_while_draining_is_served_once(rig):
    rig.drain()
    client = rig.connect()
    client.send(request() + request("/second"))
    rig.calls[0].respond()
    assert statuses(client) == [200]
    assert b"connection: close" in client.received
    assert len(rig.calls) == 1
    assert client.finished


def test_draining_serves_a_request_whose_head_is_arriving(rig):
    client = rig.connect()
    client.send(request()[:10])
    assert client.protocol.transport.phase == HEAD
    rig.drain()
    assert not client.closing
    client.send(request()[10:])
    rig.calls[0].respond()
    assert statuses(client) == [200]
    assert b"connection: close" in client.received
    assert client.lost
    rig.assert_nothing_left()


def test_draining_lets_an_exchange_finish_and_says_close(rig):
    client = rig.connect()
    client.send(request())
    rig.drain()
    rig.pass_time(100)
    assert not client.closing
    rig.calls[0].respond(b"in time")
    assert b"connection: close" in client.received
    assert client.received.endswith(b"in time")
    assert client.lost
    rig.assert_nothing_left()


def test_draining_lets_a_response_that_has_begun_finish(rig):
    client = rig.connect()
    client.send(request())
    rig.calls[0].start()
    rig.calls[0].body(b"first")
    rig.drain()
    rig.calls[0].body(b"last", more=False)
    rig.calls[0].end()
    assert b"connection: close" not in client.received
    assert client.received.endswith(b"last\r\n0\r\n\r\n")
    # Its response has announced that the connection stays.
    assert not client.closing
    rig.pass_time(DEADLINES.last_call)
    assert client.lost
    rig.assert_nothing_left()


def test_draining_lets_a_request_body_arrive(rig):
    client = rig.connect()
    client.send(request("/", "Content-Length: 10", method="POST") + b"01234")
    rig.drain()
    assert rig.calls[0].receive().result()["body"] == b"01234"
    client.send(b"56789")
    assert rig.calls[0].receive().result()["body"] == b"56789"
    rig.calls[0].respond()
    assert client.lost
    rig.assert_nothing_left()


def test_draining_while_a_response_is_flushed_lets_it_go_on(rig):
    client = rig.connect(reads=False)
    client.send(request("/", "Connection: close"))
    rig.calls[0].respond(b"x" * 100000)
    rig.drain()
    assert not client.aborted
    client.start_reading()
    assert client.received.endswith(b"x" * 100000)
    rig.assert_nothing_left()


def test_a_response_that_waits_for_a_slow_reader_survives_the_drain(rig):
    """The exchange is over for the application, but not for the client."""
    client = rig.connect(reads=False)
    client.send(request())
    rig.calls[0].respond(b"x" * 100000)
    rig.drain()
    assert not client.aborted
    assert not rig.hub.quiet
    rig.pass_time(DEADLINES.last_call)
    client.start_reading()
    assert client.received.endswith(b"x" * 100000)
    assert client.lost
    assert not client.aborted


def test_draining_answers_the_pipelined_request_under_way_and_no_other(rig):
    client = rig.connect()
    client.send(request("/0") + request("/1"))
    rig.drain()
    rig.calls[0].respond()
    assert len(rig.calls) == 1
    assert client.finished
    client.send_eof()
    rig.assert_nothing_left()


def test_draining_twice_does_no_harm(rig):
    client = rig.connect()
    client.send(request())
    rig.drain()
    rig.drain()
    rig.calls[0].respond()
    assert statuses(client) == [200]
    rig.assert_nothing_left()


def test_abort_cuts_everything_off(rig):
    clients = [rig.connect(), rig.connect(), rig.connect(reads=False)]
    clients[1].send(request())
    clients[2].send(request("/", "Connection: close"))
    rig.calls[1].respond(b"x" * 100000)
    rig.loop.run_soon(rig.hub.abort)
    assert all(client.lost for client in clients)
    assert rig.calls[0].receive().result() == {"type": "http.disconnect"}
    rig.calls[0].end()
    rig.assert_nothing_left()


# The Date field.


def test_the_date_is_renewed_by_the_tick(rig, monkeypatch):
    client = rig.connect()
    monkeypatch.setattr("time.time", lambda: 784111777.0)
    rig.loop.run_soon(rig.hub.tick)
    client.send(request())
    rig.calls[0].respond()
    assert b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" in client.received


@pytest.mark.parametrize("wanted", [True, False])
def test_the_date_is_left_out_on_demand(rig, wanted):
    rig.configure(date_header=wanted)
    rig.loop.run_soon(rig.hub.tick)
    client = rig.connect()
    client.send(request())
    rig.calls[0].respond()
    assert (b"date: " in client.received) == wanted
