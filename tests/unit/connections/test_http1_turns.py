"""The share of one connection in one turn of the loop, so that no other waits for it."""

from collections.abc import Callable

from connection_rig import Answering, Rig, request, statuses

from bascule.connections.http1 import EVENTS_A_TURN
from bascule.connections.transport import READ_AHEAD
from bascule.interfaces.asgi.interface import AsgiInterface
from bascule.interfaces.asgi.plan import AsgiPlan
from bascule.protocols.http1.chunked import CHUNKS_AT_ONCE
from support.transport import END

COUNT = 100
CHUNKED = request("/", "Transfer-Encoding: chunked", method="POST")
TINY = b"1\r\nx\r\n"
LAST = b"0\r\n\r\n"


def test_pipelined_requests_have_so_many_in_a_turn(answering):
    client = answering.rig.connect()
    client.send_soon(request() * COUNT)
    counts = answering.turns()
    assert max(counts) == EVENTS_A_TURN
    assert sum(counts) == COUNT
    assert statuses(client) == [200] * COUNT


def test_another_client_waits_for_one_turn_only(answering):
    rig = answering.rig
    floods = [rig.connect() for _ in range(20)]
    honest = rig.connect()
    for flood in floods:
        flood.send_soon(request() * COUNT)
    honest.send_soon(request())
    rig.loop.turn()
    assert statuses(honest) == [200]
    assert {len(statuses(flood)) for flood in floods} == {EVENTS_A_TURN}
    rig.loop.settle()
    assert {len(statuses(flood)) for flood in floods} == {COUNT}


def test_what_comes_meanwhile_gets_no_turn_of_its_own(answering):
    client = answering.rig.connect()
    for _ in range(10):
        client.send_soon(request() * 20)
    assert max(answering.turns()) == EVENTS_A_TURN
    assert statuses(client) == [200] * 200


def test_reads_in_one_turn_share_its_events(answering):
    """Under TLS each record is a read of its own, and one turn brings many."""
    client = answering.rig.connect()
    for _ in range(COUNT):
        client.send_soon(request())
    assert max(answering.turns()) == EVENTS_A_TURN
    assert statuses(client) == [200] * COUNT


def test_the_read_ahead_is_bounded_while_requests_are_answered(answering):
    client = answering.rig.connect()
    piece = request() * 500
    for _ in range(8):
        client.send_soon(piece)
    most = 0
    while not answering.rig.loop.is_at_rest:
        answering.rig.loop.turn()
        most = max(most, client.protocol.engine.buffered())
    assert READ_AHEAD < most <= READ_AHEAD + len(piece)
    assert answering.calls == 8 * 500
    assert client.reading


def test_who_does_not_read_gets_no_more_answers(answering):
    answering.answer = bytes(40_000)
    client = answering.rig.connect()
    client.stop_reading()
    for _ in range(40):
        client.send(request() * COUNT)
    assert answering.calls == 2
    assert not client.reading
    answering.answer = b"ok"
    client.start_reading()
    assert answering.calls == 40 * COUNT
    assert client.reading


def test_who_never_reads_is_cut_with_requests_waiting(answering):
    answering.answer = bytes(40_000)
    client = answering.rig.connect()
    client.stop_reading()
    client.send(request() * COUNT)
    answering.rig.pass_time(61)
    assert client.aborted
    answering.rig.assert_nothing_left()


def test_an_end_behind_pipelined_requests_loses_none(answering):
    client = answering.rig.connect()
    client.send_soon(request() * COUNT)
    client.send_soon(END)
    answering.rig.loop.settle()
    assert statuses(client) == [200] * COUNT
    assert client.lost
    answering.rig.assert_nothing_left()


def test_a_client_that_goes_between_two_turns(answering):
    client = answering.rig.connect()
    client.send_soon(request() * COUNT)
    answering.rig.loop.turn()
    client.reset()
    assert answering.calls <= 2 * EVENTS_A_TURN
    answering.rig.assert_nothing_left()


def test_a_drain_between_two_turns_ends_behind_the_next_response(answering):
    client = answering.rig.connect()
    client.send_soon(request() * COUNT)
    answering.rig.loop.turn()
    answering.rig.drain()
    assert len(statuses(client)) < 3 * EVENTS_A_TURN
    assert client.received.count(b"connection: close") == 1
    assert client.finished


def test_tiny_chunks_have_so_many_in_a_turn(rig):
    count = 10 * CHUNKS_AT_ONCE + 5
    client = rig.connect()
    client.send_soon(CHUNKED + TINY * count + LAST)
    sizes = []
    while not rig.loop.is_at_rest:
        rig.loop.turn()
        sizes.append(client.protocol.exchange.body_size)
    assert max(b - a for a, b in zip([0, *sizes], sizes, strict=False)) == CHUNKS_AT_ONCE
    assert sizes[-1] == count
    message = rig.calls[0].receive().result()
    assert (len(message["body"]), message["more_body"]) == (count, False)


def test_a_body_of_many_chunks_does_not_delay_its_call(rig):
    client = rig.connect()
    client.send_soon(CHUNKED + TINY * 10 * CHUNKS_AT_ONCE)
    rig.loop.turn()
    assert len(rig.calls) == 1


def test_the_read_ahead_is_bounded_while_tiny_chunks_are_decoded(rig):
    client = rig.connect()
    client.send(CHUNKED)
    piece = TINY * 5000
    for _ in range(4):
        client.send_soon(piece)
    most = total = 0
    while total < 20_000:
        rig.loop.turn()
        most = max(most, client.protocol.engine.buffered())
        total = client.protocol.exchange.body_size
    assert READ_AHEAD < most <= READ_AHEAD + len(piece)
    rig.loop.settle()
    assert client.reading


def test_reading_stays_paused_for_an_application_that_does_not_read(rig):
    client = rig.connect()
    client.send(CHUNKED)
    for _ in range(5):
        client.send(b"8000\r\n" + bytes(0x8000) + b"\r\n")
    assert not client.reading
    rig.calls[0].receive().result()
    assert client.reading


def test_an_early_answer_is_not_lost_where_much_of_a_body_was_held(rig):
    """A connection that lingers reads on, so that it is not reset under its last response."""
    answering = Answering(rig)
    rig.call(AsgiInterface(answering.asgi, rig.loop, AsgiPlan()))
    client = rig.connect()
    client.send(CHUNKED + (b"c00\r\n" + bytes(0xC00) + b"\r\n") * 2 * CHUNKS_AT_ONCE)
    assert statuses(client) == [200]
    assert client.reading


class Threaded(AsgiInterface):
    """Has threads that want to run. asked: how often it was asked whether they do."""

    asked = 0

    def has_busy_threads(self) -> bool:
        self.asked += 1
        return True


def test_threads_may_run_before_each_further_turn(make_rig: Callable[..., Rig]) -> None:
    answering = Answering(make_rig())
    rig = answering.rig
    rig.call(Threaded(answering.asgi, rig.loop, AsgiPlan()))
    rig.connect().send_soon(request())
    answering.turns()
    # Most connections have had enough with their share.
    assert rig.interface.asked == 0
    rig.connect().send_soon(request() * COUNT)
    answering.turns()
    assert rig.interface.asked >= COUNT // EVENTS_A_TURN
