"""The deadlines of a WebSocket: handshake, pings, writes, the closing handshake, lingering."""

import pytest
from connection_rig import request, statuses
from websocket_rig import DISCONNECT, accept, ask

from bascule.connections.hub import TICK
from bascule.connections.plan import Deadlines
from support.websocket_client import PING, PONG, Frame, binary, close, frame, handshake, text

D = Deadlines()
PATIENCE = D.websocket_ping_timeout
INTERVAL = D.websocket_ping_interval
OUR_PING = Frame(PING, b"bascule")


def test_a_handshake_that_stays_unanswered(rig):
    client, call = ask(rig)
    rig.pass_time(D.websocket_handshake - TICK)
    assert client.received == b""
    rig.pass_time(TICK)
    assert statuses(client) == [503]
    assert [kind for kind, _ in rig.warnings] == ["handshake"]
    assert call.receive().result() == {"type": "websocket.connect"}
    assert call.receive().result()["type"] == DISCONNECT
    with pytest.raises(OSError, match="client closed"):
        call.send({"type": "websocket.accept"}).result()
    client.send(request("/next"))
    rig.calls[1].respond()
    assert statuses(client) == [503, 200]
    call.end()
    client.send_eof()
    rig.assert_nothing_left()


def test_a_handshake_deadline_begins_with_its_own_request(rig):
    client = rig.connect()
    client.send(request("/first") + handshake())
    rig.pass_time(D.websocket_handshake + 1)
    assert client.received == b""
    rig.calls[0].respond()
    rig.pass_time(D.websocket_handshake - TICK)
    assert statuses(client) == [200]
    rig.pass_time(TICK)
    assert statuses(client) == [200, 503]


def test_a_denial_that_began_has_no_deadline(rig):
    client, call = ask(rig)
    call.send({"type": "websocket.http.response.start", "status": 404}).result()
    call.send({"type": "websocket.http.response.body", "body": b"a", "more_body": True}).result()
    rig.pass_time(D.websocket_handshake + 1)
    call.send({"type": "websocket.http.response.body", "body": b"b"}).result()
    assert statuses(client) == [404]


def test_a_silent_client_is_asked_and_answers(rig):
    socket = accept(rig)
    rig.pass_time(INTERVAL - TICK)
    assert socket.frames == []
    rig.pass_time(TICK)
    assert socket.frames == [OUR_PING]
    rig.pass_time(PATIENCE - TICK)
    socket.send(frame(PONG, b"bascule"))
    rig.pass_time(TICK)
    assert not socket.client.lost
    assert socket.frames == [OUR_PING]
    rig.pass_time(INTERVAL)
    assert socket.frames == [OUR_PING, OUR_PING]


def test_any_byte_is_an_answer(rig):
    socket = accept(rig)
    rig.pass_time(INTERVAL)
    socket.send(text("a")[:1])
    rig.pass_time(PATIENCE - TICK)
    assert not socket.client.lost


def test_a_silent_client_that_does_not_answer(rig):
    socket = accept(rig)
    waiting = socket.call.receive()
    rig.pass_time(INTERVAL + PATIENCE - TICK)
    assert not socket.client.lost
    rig.pass_time(TICK)
    assert socket.client.aborted
    reason = f"no answer to a ping within {PATIENCE:g} s"
    assert waiting.result() == {"type": DISCONNECT, "code": 1006, "reason": reason}
    assert [kind for kind, _ in rig.warnings] == ["websocket lost"]
    socket.call.end()
    rig.assert_nothing_left()


def test_a_client_that_need_not_answer_is_asked_again_and_again(rig):
    rig.configure(websocket_ping_timeout=0.0)
    socket = accept(rig)
    for asked in range(1, 5):
        rig.pass_time(INTERVAL)
        assert socket.frames == [OUR_PING] * asked
    assert not socket.client.lost


def test_a_client_that_speaks_is_not_asked(rig):
    socket = accept(rig)
    for _ in range(5):
        rig.pass_time(INTERVAL - TICK)
        socket.send(frame(PONG))
    assert socket.frames == []


def test_no_pings_where_they_are_not_wanted(rig):
    rig.configure(websocket_ping_interval=0.0)
    socket = accept(rig)
    rig.pass_time(10 * INTERVAL)
    assert socket.frames == []
    assert not socket.client.lost


def test_a_client_that_cannot_be_heard_is_not_asked(rig):
    """Its Pong would wait behind messages that the application does not read."""
    socket = accept(rig)
    socket.send(b"".join(map(text, map(str, range(40)))))
    assert not socket.client.reading
    rig.pass_time(3 * (INTERVAL + PATIENCE))
    assert not socket.client.lost
    assert [socket.receive()["text"] for _ in range(40)] == list(map(str, range(40)))
    rig.pass_time(INTERVAL - TICK)
    assert socket.frames == []
    rig.pass_time(TICK)
    assert socket.frames == [OUR_PING]


def test_pings_are_answered_in_order_with_their_payload(rig):
    socket = accept(rig)
    socket.send(frame(PING, b"") + frame(PING, b"one") + text("a") + frame(PING, b"2" * 125))
    assert socket.frames == [Frame(PONG, b""), Frame(PONG, b"one"), Frame(PONG, b"2" * 125)]


def test_a_flood_of_pings_cannot_fill_memory(rig):
    socket = accept(rig)
    socket.client.stop_reading()
    for number in range(300):
        socket.send(frame(PING, b"%d" % number * 30) * 10)
    high_water = socket.client.HIGH_WATER + 127
    assert socket.client.HIGH_WATER < socket.client.get_write_buffer_size() <= high_water
    socket.client.start_reading()
    assert socket.payloads[-1] == b"299" * 30
    assert len(socket.frames) < 1500


def test_a_pong_that_waited_does_not_follow_the_close(rig):
    socket = accept(rig)
    socket.client.stop_reading()
    socket.call.send({"type": "websocket.send", "bytes": bytes(100_000)})
    socket.send(frame(PING, b"late"))
    socket.send(close(1000))
    socket.client.start_reading()
    assert [len(payload) for payload in socket.payloads] == [100_000, 2]
    assert socket.client.lost


def stuffed(rig, **options):
    """A WebSocket whose client has stopped to read, with a send that waits."""
    socket = accept(rig, **options)
    socket.client.stop_reading()
    sending = socket.call.send({"type": "websocket.send", "bytes": bytes(100_000)})
    assert not sending.done()
    return socket, sending


def test_a_client_that_reads_nothing(rig):
    socket, sending = stuffed(rig)
    rig.pass_time(D.write)
    assert not socket.client.aborted
    rig.pass_time(2 * TICK)
    assert socket.client.aborted
    assert sending.result() is None
    message = socket.receive()
    assert (message["code"], message["reason"]) == (
        1006,
        "nothing was read for the length of the write deadline",
    )
    with pytest.raises(OSError, match="client closed"):
        socket.say("more").result()
    socket.call.end()
    rig.assert_nothing_left()


def test_a_client_that_reads_slowly_is_not_cut_off(rig):
    socket, sending = stuffed(rig)
    for _ in range(8):
        rig.pass_time(D.write - TICK)
        socket.client.read(1000)
    assert not socket.client.aborted
    socket.client.start_reading()
    assert sending.done()


def test_a_client_that_does_not_answer_a_close(rig):
    socket = accept(rig)
    socket.end(1000)
    rig.pass_time(D.websocket_closing - TICK)
    assert not socket.client.lost
    rig.pass_time(TICK)
    assert socket.client.aborted
    socket.call.end()
    rig.assert_nothing_left()


def test_a_client_that_speaks_on_does_not_move_the_closing_deadline(rig):
    socket = accept(rig)
    socket.end(1000)
    for _ in range(int(D.websocket_closing)):
        socket.send(text("a") + frame(PING))
        rig.pass_time(1)
    assert socket.client.aborted


def test_the_closing_deadline_begins_when_the_close_has_left(rig):
    """The messages before it may take their time, as long as the client reads."""
    socket, sending = stuffed(rig)
    sending.cancel()
    socket.call.send({"type": "websocket.close"})
    for _ in range(4):
        rig.pass_time(D.websocket_closing)
        socket.client.read(1000)
    assert not socket.client.aborted
    socket.client.start_reading()
    assert socket.close == (1000, "")
    rig.pass_time(D.websocket_closing - TICK)
    assert not socket.client.aborted
    rig.pass_time(TICK)
    assert socket.client.aborted


def test_a_closing_client_that_reads_nothing(rig):
    socket, sending = stuffed(rig)
    sending.cancel()
    socket.call.send({"type": "websocket.close"})
    rig.pass_time(D.write)
    assert not socket.client.aborted
    rig.pass_time(2 * TICK)
    assert socket.client.aborted


def test_a_client_that_reads_nothing_behind_its_close(rig):
    socket, sending = stuffed(rig)
    sending.cancel()
    socket.send(close(1000))
    rig.pass_time(D.write)
    assert not socket.client.lost
    rig.pass_time(2 * TICK)
    assert socket.client.aborted
    socket.call.end()
    rig.assert_nothing_left()


def test_lingering_behind_a_failure(rig):
    socket = accept(rig)
    socket.send(frame(0x1, b"no mask", mask=b""))
    assert socket.close == (1002, "frame without a mask")
    assert socket.client.finished
    assert not socket.client.lost
    socket.send(text("anything") * 100)
    rig.pass_time(D.linger - TICK)
    assert not socket.client.lost
    rig.pass_time(TICK)
    assert socket.client.lost
    socket.call.end()
    rig.assert_nothing_left()


def test_lingering_ends_with_the_client(rig):
    socket = accept(rig)
    socket.send(frame(0x1, b"no mask", mask=b""))
    socket.client.send_eof()
    assert socket.client.lost
    assert not socket.client.aborted


def test_lingering_lets_the_client_read(rig):
    """Its deadline, too, begins when the Close frame has left."""
    socket, sending = stuffed(rig)
    sending.cancel()
    socket.send(frame(0x1, b"no mask", mask=b""))
    rig.pass_time(5 * D.linger)
    assert not socket.client.aborted
    socket.client.start_reading()
    assert socket.close == (1002, "frame without a mask")
    rig.pass_time(D.linger)
    assert socket.client.lost


def test_no_lingering_where_one_side_cannot_be_closed_alone(rig):
    """TLS."""
    socket = accept(rig, can_eof=False)
    socket.send(frame(0x1, b"no mask", mask=b""))
    assert socket.close == (1002, "frame without a mask")
    assert socket.client.lost


def test_a_failure_behind_the_own_close_lingers(rig):
    socket = accept(rig)
    socket.end(1000)
    socket.send(binary(b"a") + frame(0x5))
    assert socket.client.finished
    rig.pass_time(D.linger)
    assert socket.client.lost
    assert len(socket.frames) == 1


def test_no_lingering_for_a_client_that_has_gone(rig):
    socket = accept(rig, is_gone=True)
    socket.send(frame(0x1, b"no mask", mask=b""))
    assert socket.client.aborted
    assert socket.receive()["code"] == 1002
    socket.call.end()
    rig.assert_nothing_left()
