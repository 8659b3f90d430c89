"""The share of one HTTP/2 connection in one turn of the loop, so that no other waits for it."""

from itertools import pairwise

from connection_rig import Rig

from bascule.connections.http2 import (
    FRAMES_A_TURN,
    REQUEST_FRAMES,
    WRITES_A_TURN,
    WRITTEN_AT_ONCE,
)
from bascule.connections.http2_stream import CONNECTION_UNSENT
from bascule.connections.transport import READ_AHEAD
from support import http2_frames as h2
from support.transport import END, FakeTransport

REQUESTS_A_TURN = FRAMES_A_TURN // (1 + REQUEST_FRAMES)
COUNT = 100
REQUESTS = b"".join(h2.headers(number) for number in range(1, 2 * COUNT, 2))
PLENTY = 2**30


def connected(rig: Rig) -> FakeTransport:
    if not rig.hub.http2:
        rig.configure(http2=True)
    client = rig.connect()
    client.send(h2.PREFACE + h2.settings() + h2.settings(ack=True))
    return client


def answered(client: FakeTransport) -> int:
    """How many responses the client has had the end of."""
    return sum(frame.end for frame in h2.frames_of(client.received))


def test_requests_have_so_many_in_a_turn(answering):
    client = connected(answering.rig)
    client.send_soon(REQUESTS)
    counts = answering.turns()
    assert max(counts) == REQUESTS_A_TURN
    assert answered(client) == sum(counts) == COUNT


def test_another_client_waits_for_one_turn_only(answering):
    rig = answering.rig
    floods = [connected(rig) for _ in range(20)]
    honest = connected(rig)
    for flood in floods:
        flood.send_soon(REQUESTS)
    honest.send_soon(h2.headers(1))
    rig.loop.turn()
    assert answered(honest) == 1
    begun = {(flood.protocol.engine.streams.last_id + 1) // 2 for flood in floods}
    assert begun == {REQUESTS_A_TURN}
    rig.loop.settle()
    assert {answered(flood) for flood in floods} == {COUNT}


def test_responses_to_one_read_leave_in_one_write(answering):
    client = connected(answering.rig)
    writes = []
    write = client.write
    client.write = lambda data: (writes.append(len(data)), write(data))
    client.send(REQUESTS)
    assert answered(client) == COUNT
    assert len(writes) == 1


def test_what_comes_meanwhile_gets_no_turn_of_its_own(answering):
    client = connected(answering.rig)
    for number in range(1, 2 * COUNT, 2):
        client.send_soon(h2.headers(number))
        client.send_soon(h2.ping() * 5)
    assert max(answering.turns()) <= REQUESTS_A_TURN
    assert answered(client) == COUNT


def test_a_client_that_goes_between_two_turns(answering):
    client = connected(answering.rig)
    client.send_soon(REQUESTS)
    answering.rig.loop.turn()
    client.reset()
    assert answering.calls <= 2 * REQUESTS_A_TURN
    answering.rig.assert_nothing_left()


def test_an_end_behind_requests_loses_none(answering):
    client = connected(answering.rig)
    client.send_soon(REQUESTS)
    client.send_soon(END)
    answering.rig.loop.settle()
    assert answered(client) == COUNT
    assert client.lost
    answering.rig.assert_nothing_left()


def test_a_drain_between_two_turns_loses_none(answering):
    """The client had sent them before it could learn of the drain."""
    client = connected(answering.rig)
    client.send_soon(REQUESTS)
    answering.rig.loop.turn()
    answering.rig.drain()
    assert answered(client) == COUNT
    assert not client.closing
    client.send(h2.ping(b"bascule\0", ack=True))
    assert h2.frames_of(client.received)[-1].kind == "goaway"
    client.send_eof()
    answering.rig.assert_nothing_left()


def test_a_failure_between_two_turns_is_the_end(answering):
    client = connected(answering.rig)
    client.send_soon(REQUESTS + h2.data(0, b"x") + h2.ping() * 200)
    answering.rig.loop.settle()
    assert answering.calls == COUNT
    assert h2.frames_of(client.received)[-1].kind == "goaway"


def test_tiny_pieces_of_a_body_have_so_many_in_a_turn(rig):
    client = connected(rig)
    count = 10 * FRAMES_A_TURN
    client.send(h2.headers(1, h2.POST, end=False))
    client.send_soon(h2.data(1, b"x") * count)
    received = [0]
    while not rig.loop.is_at_rest:
        rig.loop.turn()
        received.append(client.protocol.engine.streams.open[1].received)
    steps = [after - before for before, after in pairwise(received)]
    assert max(steps) == FRAMES_A_TURN
    assert received[-1] == count
    message = rig.calls[0].receive().result()
    assert message["body"] == b"x" * count


def test_the_read_ahead_is_bounded_while_frames_have_their_turns(rig):
    client = connected(rig)
    client.send(h2.headers(1, h2.POST, end=False))
    piece = h2.data(1, b"x") * 6000
    for _ in range(6):
        client.send_soon(piece)
    most = 0
    while not rig.loop.is_at_rest:
        rig.loop.turn()
        most = max(most, client.protocol.engine.buffered)
    assert READ_AHEAD < most <= READ_AHEAD + len(piece)
    assert client.protocol.engine.streams.open[1].received == 6 * 6000
    assert client.reading


def test_frames_without_an_event_have_turns_too(rig):
    client = connected(rig)
    client.send_soon(h2.ping() * 500)
    rig.loop.turn()
    assert client.protocol.engine.buffered >= 17 * (500 - FRAMES_A_TURN)
    rig.loop.settle()
    frames = h2.frames_of(client.received)
    assert sum(frame.kind == "ping" for frame in frames) == 500


def test_a_client_that_reads_as_fast_as_is_written_gets_so_much_in_a_turn(rig):
    client = connected(rig)
    client.send(h2.window_update(0, PLENTY) + h2.headers(1) + h2.window_update(1, PLENTY))
    rig.calls[0].start()
    before = len(client.received)
    size = 20 * WRITES_A_TURN * WRITTEN_AT_ONCE
    rig.calls[0].send_soon({"type": "http.response.body", "body": bytes(size)})
    most = 0
    while not rig.loop.is_at_rest:
        rig.loop.turn()
        most = max(most, len(client.received) - before)
        before = len(client.received)
    assert len(client.received) > size
    # A frame more fits in where there was room for a byte.
    assert most <= WRITES_A_TURN * (WRITTEN_AT_ONCE + 17000)


def test_a_stream_that_waits_for_room_is_forgotten_with_its_client(rig):
    """A client that takes nothing may reset streams and open others for as long as it likes."""
    client = connected(rig)
    client.send(h2.headers(1))
    rig.calls[0].start()
    rig.calls[0].send_soon({"type": "http.response.body", "body": bytes(2 * CONNECTION_UNSENT)})
    rig.loop.settle()
    client.send(h2.headers(3))
    connection = client.protocol
    carrier = connection.carriers[3]
    assert carrier.holds_back()
    carrier.wait_for_room()
    rig.loop.settle()
    assert connection.crowd == [carrier]
    client.send(h2.rst_stream(3))
    assert connection.crowd == []
