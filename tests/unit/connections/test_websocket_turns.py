"""The share of one WebSocket in one turn of the loop, so that no other connection waits for it."""

from contextlib import suppress
from typing import Any

from connection_rig import Rig
from websocket_rig import DISCONNECT, Socket, accept

from bascule.connections.transport import READ_AHEAD
from bascule.connections.websocket import EVENTS_A_TURN, FRAMES_A_TURN
from bascule.errors import ClientDisconnected
from support.websocket_client import close, frame, text

PING = frame(9, b"p")
MESSAGE = text("m")
COUNT = 200


async def echo(call: Any) -> None:
    """Answers every message as it comes."""
    with suppress(ClientDisconnected):
        while (message := await call._receive())["type"] != DISCONNECT:
            await call._send({"type": "websocket.send", "text": message["text"]})


def echoing(rig: Rig) -> Socket:
    socket = accept(rig)
    rig.loop.create_task(echo(socket.call))
    rig.loop.settle()
    return socket


def answers_each_turn(socket: Socket) -> list[int]:
    """How many frames came in each turn of the loop, until it rests."""
    counts = []
    before = len(socket.frames)
    while not socket.rig.loop.is_at_rest:
        socket.rig.loop.turn()
        after = len(socket.frames)
        counts.append(after - before)
        before = after
    return counts


def test_pings_have_so_many_in_a_turn(rig):
    socket = accept(rig)
    socket.client.send_soon(PING * COUNT)
    counts = answers_each_turn(socket)
    assert max(counts) == EVENTS_A_TURN
    assert sum(counts) == COUNT


def test_tiny_messages_have_so_many_in_a_turn(rig):
    socket = echoing(rig)
    socket.client.send_soon(MESSAGE * COUNT)
    counts = answers_each_turn(socket)
    assert max(counts) <= EVENTS_A_TURN
    assert socket.payloads == [b"m"] * COUNT


def test_messages_of_many_reads_have_so_many_in_a_turn(rig):
    """Under TLS each record is a read of its own."""
    socket = echoing(rig)
    for _ in range(COUNT):
        socket.client.send_soon(MESSAGE)
    assert max(answers_each_turn(socket)) <= EVENTS_A_TURN
    assert socket.payloads == [b"m"] * COUNT


def test_tiny_fragments_have_so_many_in_a_turn(rig):
    socket = accept(rig)
    parts = [frame(1, b"x", fin=False), *[frame(0, b"x", fin=False)] * 900]
    socket.client.send_soon(b"".join(parts) + frame(0, b"x"))
    turns = 0
    while not rig.loop.is_at_rest:
        rig.loop.turn()
        turns += 1
    assert turns > 900 // FRAMES_A_TURN
    assert len(socket.receive()["text"]) == 902


def test_another_client_waits_for_one_turn_only(rig):
    floods = [echoing(rig) for _ in range(20)]
    honest = echoing(rig)
    for flood in floods:
        flood.client.send_soon(MESSAGE * COUNT)
    honest.client.send_soon(MESSAGE)
    rig.loop.turn()
    assert honest.payloads == [b"m"]
    assert max(len(flood.frames) for flood in floods) <= EVENTS_A_TURN
    rig.loop.settle()
    assert {len(flood.frames) for flood in floods} == {COUNT}


def test_the_read_ahead_is_bounded_while_pings_are_answered(rig):
    socket = accept(rig)
    piece = PING * 5000
    for _ in range(6):
        socket.client.send_soon(piece)
    most = 0
    while not rig.loop.is_at_rest:
        rig.loop.turn()
        most = max(most, socket.client.protocol.engine.buffered)
    assert READ_AHEAD < most <= READ_AHEAD + len(piece)
    assert len(socket.frames) == 6 * 5000
    assert socket.client.reading


def test_an_end_behind_messages_loses_none(rig):
    """Without a Close frame, and without TLS; of TLS as many are taken as are no flood."""
    socket = echoing(rig)
    socket.client.send_soon(MESSAGE * COUNT)
    socket.client.send_soon(b"")
    rig.loop.settle()
    assert socket.payloads == [b"m"] * COUNT
    assert socket.client.lost


def test_a_client_that_goes_between_two_turns(rig):
    socket = echoing(rig)
    socket.client.send_soon(MESSAGE * COUNT)
    rig.loop.turn()
    socket.client.reset()
    assert len(socket.frames) <= 2 * EVENTS_A_TURN
    assert rig.hub.websockets == 0


def test_a_drain_between_two_turns_closes(rig):
    socket = echoing(rig)
    socket.client.send_soon(MESSAGE * COUNT)
    rig.loop.turn()
    rig.drain()
    assert socket.close[0] == 1012
    assert len(socket.frames) <= 3 * EVENTS_A_TURN
    socket.client.send(close(1012))
    assert socket.client.lost


def test_what_waits_for_the_application_waits_for_no_turn(rig):
    """A session that has enough pauses the reading; the turns begin when it reads on."""
    socket = accept(rig)
    socket.client.send(MESSAGE * COUNT)
    assert not socket.client.reading
    taken = [socket.receive()["text"] for _ in range(COUNT)]
    assert taken == ["m"] * COUNT
    assert socket.client.reading
