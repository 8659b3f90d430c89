"""Every deadline of a connection, just before it and just after it."""

import pytest
from connection_rig import CLOSED, HEAD, IDLE, LINGERING, request, statuses

from bascule.connections.hub import TICK
from bascule.connections.plan import Deadlines
from bascule.interfaces.exchange import BODY_HIGH_WATER

DEADLINES = Deadlines()


def test_a_client_that_says_nothing_is_closed(rig):
    client = rig.connect()
    rig.pass_time(DEADLINES.request_head - TICK)
    assert not client.closing
    rig.pass_time(TICK)
    assert client.lost
    assert client.received == b""
    rig.assert_nothing_left()


def test_a_head_that_takes_too_long_is_answered_408(rig):
    client = rig.connect()
    client.send(b"GET / HTTP/1.1\r\n")
    rig.pass_time(DEADLINES.request_head - TICK)
    assert statuses(client) == []
    rig.pass_time(TICK)
    assert statuses(client) == [408]
    assert b"connection: close" in client.received
    assert client.finished


def test_further_bytes_do_not_restart_the_deadline_of_a_head(rig):
    client = rig.connect()
    for one in request()[:20]:
        client.send(bytes([one]))
        rig.pass_time(1)
    assert statuses(client) == []
    rig.pass_time(DEADLINES.request_head - 20)
    assert statuses(client) == [408]


def test_the_deadline_of_a_second_head_runs_from_its_own_first_byte(rig):
    client = rig.connect()
    client.send(request())
    rig.calls[0].respond()
    rig.pass_time(60)
    client.send(b"GET /second")
    rig.pass_time(DEADLINES.request_head - TICK)
    assert statuses(client) == [200]
    assert client.protocol.transport.phase == HEAD
    rig.pass_time(TICK)
    assert statuses(client) == [200, 408]


def test_a_partial_head_behind_a_slow_answer_has_its_whole_deadline(rig):
    client = rig.connect()
    client.send(request() + b"GET /second HTTP/1.1\r\n")
    rig.pass_time(100)
    rig.calls[0].respond()
    rig.pass_time(DEADLINES.request_head - TICK)
    assert statuses(client) == [200]
    client.send(b"Host: test\r\n\r\n")
    rig.calls[1].respond()
    assert statuses(client) == [200, 200]


def test_a_head_in_time_is_served_after_408_would_have_been_due(rig):
    client = rig.connect()
    client.send(request()[:-2])
    rig.pass_time(DEADLINES.request_head - TICK)
    client.send(b"\r\n")
    rig.pass_time(DEADLINES.request_head)
    rig.calls[0].respond()
    assert statuses(client) == [200]


def test_an_idle_connection_is_closed_after_the_keep_alive_deadline(rig):
    client = rig.connect()
    client.send(request())
    rig.calls[0].respond()
    rig.pass_time(DEADLINES.keep_alive - TICK)
    assert client.protocol.transport.phase == IDLE
    assert not client.closing
    rig.pass_time(TICK)
    assert client.lost
    assert statuses(client) == [200]
    rig.assert_nothing_left()


def test_each_response_begins_the_keep_alive_deadline_anew(rig):
    client = rig.connect()
    for number in range(3):
        client.send(request())
        rig.calls[number].respond()
        rig.pass_time(DEADLINES.keep_alive - TICK)
    assert not client.closing
    assert statuses(client) == [200, 200, 200]


def test_an_application_may_take_longer_than_any_deadline(rig):
    client = rig.connect()
    client.send(request())
    rig.pass_time(1000)
    rig.calls[0].respond()
    assert statuses(client) == [200]
    assert not client.closing


def test_a_client_that_stops_reading_is_cut_off(rig):
    client = rig.connect(reads=False)
    client.send(request())
    rig.calls[0].start()
    rig.calls[0].body(b"x" * 1000)
    rig.pass_time(DEADLINES.write)
    assert not client.aborted
    rig.pass_time(2 * TICK)
    assert client.aborted
    assert [kind for kind, _ in rig.warnings] == ["write"]
    assert rig.calls[0].receive().result() == {"type": "http.disconnect"}


def test_a_byte_taken_begins_the_write_deadline_anew(rig):
    client = rig.connect(reads=False)
    client.send(request())
    rig.calls[0].start()
    rig.calls[0].body(b"x" * 1000)
    for _ in range(5):
        rig.pass_time(DEADLINES.write - TICK)
        client.read(1)
    rig.pass_time(DEADLINES.write)
    assert not client.aborted
    rig.pass_time(2 * TICK)
    assert client.aborted


def test_the_write_deadline_runs_while_the_last_response_is_flushed(rig):
    client = rig.connect(reads=False)
    client.send(request("/", "Connection: close"))
    rig.calls[0].respond(b"x" * 1000)
    assert client.closing
    rig.pass_time(DEADLINES.write - TICK)
    client.read(1)
    rig.pass_time(DEADLINES.write)
    assert not client.aborted
    rig.pass_time(2 * TICK)
    assert client.aborted
    rig.assert_nothing_left()


def test_a_response_that_an_idle_client_never_read_goes_with_the_connection(rig):
    client = rig.connect(reads=False)
    client.send(request())
    rig.calls[0].respond()
    rig.pass_time(DEADLINES.keep_alive)
    assert client.aborted
    rig.assert_nothing_left()


def test_the_keep_alive_deadline_cuts_no_response_short(rig):
    """A response in one piece is complete for the server long before its client has it."""
    size = 1_000_000
    client = rig.connect(reads=False)
    client.send(request())
    rig.calls[0].respond(b"y" * size)
    for _ in range(3):
        client.read(size // 4)
        rig.pass_time(DEADLINES.write)
    client.start_reading()
    assert client.received.endswith(b"y" * size)
    rig.pass_time(DEADLINES.keep_alive - TICK)
    assert not client.closing
    rig.pass_time(2 * TICK)
    assert client.lost
    assert not client.aborted


def test_the_write_deadline_is_for_a_whole_response_too(rig):
    client = rig.connect(reads=False)
    client.send(request())
    rig.calls[0].respond(b"y" * 1_000_000)
    rig.pass_time(DEADLINES.write)
    assert not client.aborted
    rig.pass_time(2 * TICK)
    assert client.aborted
    assert [kind for kind, _ in rig.warnings] == ["write"]


def test_as_much_unread_as_some_time_before_is_no_stall(rig):
    client = rig.connect(reads=False)
    for number in range(2):
        client.send(request())
        rig.calls[number].start()
        rig.calls[number].body(b"x" * 1000)
        rig.pass_time(1)
        client.read(10_000)
        rig.calls[number].body(b"", more=False)
        rig.calls[number].end()
        client.read(10_000)
        rig.pass_time(DEADLINES.keep_alive - 10)
    assert not client.aborted
    assert rig.warnings == []


def test_a_body_that_trickles_is_refused_after_the_grace(rig):
    client = rig.connect()
    client.send(request("/", "Content-Length: 100000", method="POST"))
    for _ in range(int(DEADLINES.body_grace)):
        client.send(b"x")
        rig.pass_time(1)
    assert statuses(client) == []
    client.send(b"x")
    rig.pass_time(1)
    assert statuses(client) == [408]
    assert b"bytes a second" in client.received
    assert client.finished
    assert rig.calls[0].receive().result() == {"type": "http.disconnect"}


def test_the_time_that_the_loop_stood_still_is_not_the_clients(rig):
    """The bytes that it sent meanwhile wait in the kernel, which holds only so many."""
    client = rig.connect()
    client.send(request("/", "Content-Length: 100", method="POST"))
    rig.pass_time(DEADLINES.body_grace - 1)
    rig.stand_still(10 * DEADLINES.body_grace)
    assert statuses(client) == []
    client.send(b"x" * 100)
    rig.calls[0].respond()
    assert statuses(client) == [200]


def test_a_body_whose_request_has_been_answered_gets_no_second_answer(rig):
    """A client that has sent two requests would take it for the answer to the second."""
    client = rig.connect()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST"))
    rig.calls[0].respond()
    client.send(b"no chunk\r\n")
    assert statuses(client) == [200]
    assert client.finished
    rig.pass_time(DEADLINES.linger)
    rig.assert_nothing_left()
    assert [status for _, _, status in rig.access_lines] == [200]


def test_a_body_above_the_minimum_rate_may_take_for_ever(rig):
    client = rig.connect()
    size = int(DEADLINES.body_rate) + 10
    client.send(request("/", f"Content-Length: {size * 300}", method="POST"))
    received = b""
    for _ in range(300):
        client.send(b"x" * size)
        received += rig.calls[0].receive().result()["body"]
        rig.pass_time(1)
    assert len(received) == size * 300
    rig.calls[0].respond()
    assert statuses(client) == [200]


def test_the_rate_is_an_average_so_a_burst_pays_for_a_pause(rig):
    client = rig.connect()
    client.send(request("/", "Content-Length: 100000", method="POST"))
    client.send(b"x" * 24000)
    rig.calls[0].receive().result()
    rig.pass_time(100)
    assert statuses(client) == []
    rig.pass_time(2 * TICK)
    assert statuses(client) == [408]


def test_an_application_that_does_not_read_is_not_the_clients_fault(rig):
    client = rig.connect()
    size = BODY_HIGH_WATER + 1000
    client.send(request("/", f"Content-Length: {2 * size}", method="POST"))
    client.send(b"x" * size)
    assert not client.reading
    rig.pass_time(1000)
    assert statuses(client) == []
    assert len(rig.calls[0].receive().result()["body"]) == size
    assert client.reading
    rig.pass_time(DEADLINES.body_grace)
    assert statuses(client) == []
    client.send(b"x" * size)
    rig.calls[0].receive().result()
    rig.calls[0].respond()
    assert statuses(client) == [200]


def test_a_client_that_waits_for_100_continue_is_not_slow(rig):
    client = rig.connect()
    head = request("/", "Content-Length: 5", "Expect: 100-continue", method="POST")
    client.send(head)
    rig.pass_time(1000)
    assert statuses(client) == []
    message = rig.calls[0].receive()
    assert statuses(client) == [100]
    client.send(b"hello")
    assert message.result()["body"] == b"hello"
    rig.calls[0].respond()
    assert statuses(client) == [100, 200]


def test_no_body_rate_means_no_minimum(make_rig):
    rig = make_rig()
    rig.configure(body_rate=0)
    client = rig.connect()
    client.send(request("/", "Content-Length: 10", method="POST"))
    rig.pass_time(1000)
    assert statuses(client) == []


def test_a_second_body_is_measured_from_its_own_beginning(rig):
    client = rig.connect()
    client.send(request("/", method="POST", body=b"x"))
    rig.calls[0].respond()
    rig.pass_time(60)
    client.send(request("/", "Content-Length: 10", method="POST"))
    rig.pass_time(DEADLINES.body_grace)
    assert statuses(client) == [200]
    rig.pass_time(TICK)
    assert statuses(client) == [200, 408]


def test_a_refused_client_gets_a_moment_to_read_and_then_the_connection_goes(rig):
    client = rig.connect()
    client.send(b"nonsense\r\n\r\n")
    assert statuses(client) == [400]
    assert client.protocol.transport.phase == LINGERING
    rig.pass_time(DEADLINES.linger - TICK)
    assert not client.lost
    rig.pass_time(TICK)
    assert client.lost
    assert client.protocol.transport.phase == CLOSED
    rig.assert_nothing_left()


def test_a_refused_client_that_closes_ends_the_lingering(rig):
    client = rig.connect()
    client.send(b"nonsense\r\n\r\n")
    client.send_eof()
    assert client.lost
    assert not client.aborted
    rig.assert_nothing_left()


def test_what_comes_while_lingering_is_taken_and_thrown_away(rig):
    client = rig.connect()
    client.send(b"nonsense\r\n\r\n")
    for _ in range(10):
        client.send(request() * 1000)
    assert client.undelivered == 0
    assert rig.calls == []
    assert statuses(client) == [400]


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_the_linger_deadline_cuts_no_response_short(rig, size):
    """The answer to a request whose body is not read is still being taken."""
    client = rig.connect(reads=False)
    head = request("/", f"Content-Length: {size}", "Connection: close", method="POST")
    client.send(head)
    rig.calls[0].respond(b"y" * size)
    for _ in range(10):
        client.read(size // 20)
        rig.pass_time(1)
    client.start_reading()
    assert client.received.endswith(b"y" * size)
    rig.pass_time(DEADLINES.linger + TICK)
    assert client.lost


@pytest.mark.parametrize("can_eof", [True, False], ids=["plain", "TLS"])
def test_a_client_that_still_sends_may_go_on_for_a_while(rig, can_eof):
    """It reads its answer when it has sent everything, which a reset would keep it from."""
    client = rig.connect(can_eof=can_eof)
    client.send(request("/", "Content-Length: 10000000", method="POST"))
    rig.calls[0].respond()
    for _ in range(14):
        rig.pass_time(DEADLINES.linger - TICK)
        client.send(b"x" * 65536)
    assert not client.closing
    rig.pass_time(2 * DEADLINES.linger)
    assert client.lost
    rig.assert_nothing_left()


def test_a_client_that_never_ends_sending_is_cut(rig):
    client = rig.connect()
    client.send(request("/", "Content-Length: 10000000", method="POST"))
    rig.calls[0].respond()
    for _ in range(int(DEADLINES.longest_linger / TICK)):
        rig.pass_time(TICK)
        client.send(b"x" * 65536)
    assert not client.closing
    for _ in range(int(DEADLINES.linger / TICK)):
        rig.pass_time(TICK)
        client.send(b"x" * 65536)
    assert client.lost


def test_a_client_that_still_sends_holds_up_no_stop(rig):
    client = rig.connect()
    client.send(request("/", "Content-Length: 10000000", method="POST"))
    rig.calls[0].respond()
    rig.drain()
    for _ in range(int(DEADLINES.linger / TICK) + 1):
        rig.pass_time(TICK)
        client.send(b"x" * 65536)
    assert client.lost


def test_a_client_that_stops_reading_its_refusal_is_gone_in_finite_time(rig):
    client = rig.connect(reads=False)
    client.send(b"nonsense\r\n\r\n")
    rig.pass_time(DEADLINES.write + DEADLINES.linger + 2 * TICK)
    assert client.lost
    rig.assert_nothing_left()
