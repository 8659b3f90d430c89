"""The deadlines of HTTP/2's streams, on a clock that the test moves."""

import pytest
from connection_rig import Rig

from bascule.connections.hub import TICK
from bascule.connections.plan import Deadlines
from support import http2_frames as h2

DEADLINES = Deadlines()


def connected(rig: Rig, **options: bool):
    if not rig.hub.http2:
        rig.configure(http2=True)
    client = rig.connect(**options)
    client.send(h2.PREFACE + h2.settings() + h2.settings(ack=True))
    return client


def kinds(client) -> list[tuple[str, int]]:
    """(kind, stream) of the frames of streams."""
    frames = h2.frames_of(client.received)
    return [(frame.kind, frame.stream) for frame in frames if frame.stream]


FLOOD = h2.ping() * 2000
RESPONSE = b"x" * 300_000


def goaway_of(client) -> str:
    """The error of the last frame that the client has received, which is a GOAWAY."""
    last = h2.frames_of(client.received)[-1]
    assert last.kind == "goaway"
    return h2.ERRORS[int.from_bytes(last.payload[4:8], "big")]


@pytest.mark.parametrize("can_eof", [True, False], ids=["plain", "tls"])
def test_a_goaway_reaches_a_client_that_still_sends(rig, can_eof):
    """A socket that is closed on unread bytes is reset, which takes the GOAWAY along."""
    client = connected(rig, can_eof=can_eof)
    client.send(FLOOD)
    assert goaway_of(client) == "ENHANCE_YOUR_CALM"
    assert client.eof_written == can_eof
    assert not client.closing
    client.send(FLOOD)
    assert client.undelivered == 0
    rig.pass_time(DEADLINES.linger - TICK)
    assert not client.closing
    rig.pass_time(2 * TICK)
    assert client.lost
    rig.assert_nothing_left()


@pytest.mark.parametrize("can_eof", [True, False], ids=["plain", "tls"])
def test_a_client_that_still_sends_has_longer_for_the_goaway(rig, can_eof):
    """It may read nothing before it has sent all, and a reset would take the GOAWAY from it."""
    client = connected(rig, can_eof=can_eof)
    client.send(FLOOD)
    for _ in range(round(DEADLINES.longest_linger / DEADLINES.linger) - 1):
        rig.pass_time(DEADLINES.linger - TICK)
        client.send(h2.ping())
        assert client.undelivered == 0
        assert not client.closing
    rig.pass_time(DEADLINES.longest_linger)
    assert client.lost
    rig.assert_nothing_left()


def test_a_client_that_sends_without_end_is_cut(rig):
    client = connected(rig)
    client.send(FLOOD)
    ticks = 0
    while not client.lost:
        client.send(h2.ping())
        rig.pass_time(TICK)
        ticks += 1
    assert ticks * TICK <= DEADLINES.longest_linger + DEADLINES.linger + TICK


def test_a_connection_that_ends_reads_on(rig):
    """However much comes behind what ended it."""
    client = connected(rig)
    client.send(FLOOD * 20)
    assert goaway_of(client) == "ENHANCE_YOUR_CALM"
    assert client.reading


def test_a_refusal_behind_a_complete_response_is_no_second_request(make_rig):
    rig = make_rig(body=1000)
    client = connected(rig)
    client.send(h2.headers(1, h2.POST, end=False))
    rig.calls[0].respond(RESPONSE)
    client.send(h2.data(1, b"x" * 2000, end=False))
    assert len(rig.access_lines) == 1


def test_a_goaway_reaches_a_client_that_is_behind_with_its_reading(rig):
    """The moment to linger begins when it has read the GOAWAY."""
    client = connected(rig)
    client.send(h2.window_update(0, 2**30) + h2.headers(1))
    client.send(h2.window_update(1, 2**30))
    client.stop_reading()
    rig.calls[0].start()
    rig.calls[0].body(RESPONSE)
    assert client.protocol.transport.writing_paused
    client.send(FLOOD)
    rig.pass_time(3 * DEADLINES.linger)
    assert not client.lost
    client.start_reading()
    assert goaway_of(client) == "ENHANCE_YOUR_CALM"
    rig.pass_time(DEADLINES.linger + TICK)
    assert client.lost


@pytest.mark.parametrize("can_eof", [True, False], ids=["plain", "tls"])
def test_the_goaway_to_an_idle_client_reaches_it(rig, can_eof):
    """It may be sending its next request at this moment."""
    client = connected(rig, can_eof=can_eof)
    client.send(h2.headers(1))
    rig.calls[0].respond()
    rig.pass_time(rig.hub.keep_alive + TICK)
    assert goaway_of(client) == "NO_ERROR"
    client.send(h2.headers(3))
    assert not client.closing
    client.send_eof()
    assert client.lost
    rig.assert_nothing_left()


def test_a_client_that_answers_no_ping_does_not_hold_the_stop(rig):
    client = connected(rig)
    rig.drain()
    rig.pass_time(1 + TICK)
    assert client.lost
    assert goaway_of(client) == "NO_ERROR"


def test_a_body_that_trickles_is_refused_after_the_grace(rig):
    client = connected(rig)
    client.send(h2.headers(1, h2.POST, end=False))
    rig.pass_time(DEADLINES.body_grace)
    assert kinds(client) == []
    rig.pass_time(TICK)
    assert kinds(client)[:2] == [("headers", 1), ("data", 1)]
    assert [status for _, _, status in rig.access_lines] == [408]


def test_a_request_at_its_deadline_is_not_refused_for_its_body_as_well(rig, caplog):
    """Both are due in one tick: it has one answer, and one line in the log."""
    rig.configure(request_timeout=DEADLINES.body_grace)
    client = connected(rig)
    client.send(h2.headers(1, h2.POST, end=False))
    rig.pass_time(DEADLINES.body_grace)
    assert kinds(client) == []
    rig.pass_time(TICK)
    assert [status for _, _, status in rig.access_lines] == [504]
    assert [kind for kind, _ in kinds(client)].count("headers") == 1


def test_the_time_that_the_loop_stood_still_is_not_the_clients(rig):
    client = connected(rig)
    client.send(h2.headers(1, h2.POST, end=False))
    rig.pass_time(DEADLINES.body_grace - 1)
    rig.stand_still(10 * DEADLINES.body_grace)
    assert kinds(client) == []


def test_frames_of_a_time_in_which_the_loop_stood_still_are_no_flood(rig):
    """They were sent at a rate that is allowed, and come all at once."""
    client = connected(rig)
    engine = client.protocol.engine
    engine.budget.frames.spend(engine.budget.frames.left)
    rig.stand_still(60)
    assert engine.budget.frames.left == engine.budget.frames.most
