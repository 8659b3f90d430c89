"""Data that the client sent before its end is read, and can be answered, before the end is."""

import pytest
from websocket_rig import DISCONNECT, accept

from bascule.connections.hub import TICK
from bascule.connections.plan import Deadlines
from support.websocket_client import binary, close, frame, text

ANSWER = Deadlines().websocket_answer
BAD = frame(0x3, b"bad")

ENDS = [
    pytest.param(close(3000, "bye"), (3000, ""), (3000, "bye"), id="close"),
    pytest.param(close(None), (None, ""), (1005, ""), id="empty-close"),
    pytest.param(
        BAD,
        (1002, "frame with the unknown opcode 3"),
        (1002, "frame with the unknown opcode 3"),
        id="bad-frame",
    ),
]


@pytest.mark.parametrize(("end", "told", "heard"), ENDS)
def test_messages_are_answered_before_the_end_is(rig, end, told, heard):
    socket = accept(rig)
    socket.send(text("one") + binary(b"two") + end)
    assert socket.receive() == {"type": "websocket.receive", "text": "one"}
    socket.say("first")
    assert socket.receive() == {"type": "websocket.receive", "bytes": b"two"}
    socket.say("second")
    assert socket.payloads == [b"first", b"second"]
    message = socket.receive()
    assert (message["type"], message["code"], message["reason"]) == (DISCONNECT, *heard)
    assert socket.payloads[:2] == [b"first", b"second"]
    assert socket.close == told
    assert len(socket.frames) == 3
    socket.client.send_eof()
    socket.call.end()
    rig.assert_nothing_left()


@pytest.mark.parametrize(("end", "told", "heard"), ENDS)
def test_an_application_that_waits_holds_nothing_up(rig, end, told, heard):
    socket = accept(rig)
    waiting = socket.call.receive()
    socket.send(end)
    assert (waiting.result()["code"], waiting.result()["reason"]) == heard
    assert socket.close == told


@pytest.mark.parametrize(("end", "told", "heard"), ENDS)
def test_an_application_that_never_reads_holds_nothing_up(rig, end, told, heard):
    socket = accept(rig)
    socket.say("one")
    socket.send(end)
    assert socket.close == told
    with pytest.raises(OSError, match="client closed"):
        socket.say("two").result()
    assert socket.payloads[0] == b"one"
    assert len(socket.frames) == 2
    message = socket.receive()
    assert (message["code"], message["reason"]) == heard


@pytest.mark.parametrize(("end", "told", "heard"), ENDS)
def test_an_application_that_never_comes_back_is_not_waited_for(rig, end, told, heard):
    socket = accept(rig)
    socket.send(text("one") + end)
    assert socket.receive()["text"] == "one"
    rig.pass_time(ANSWER - TICK)
    socket.say("still in time")
    assert socket.payloads == [b"still in time"]
    rig.pass_time(TICK)
    assert socket.close == told
    with pytest.raises(OSError, match="client closed"):
        socket.say("too late").result()
    message = socket.receive()
    assert (message["code"], message["reason"]) == heard


def test_the_wait_is_the_same_however_short_the_pings(rig):
    """Both have a deadline, and only one of them is running at a time."""
    rig.configure(websocket_ping_interval=2 * TICK)
    socket = accept(rig)
    socket.send(text("one") + close(1000))
    assert socket.receive()["text"] == "one"
    rig.pass_time(ANSWER - TICK)
    assert not socket.is_closing
    rig.pass_time(TICK)
    assert socket.close == (1000, "")
    assert socket.client.lost
    socket.call.end()
    rig.assert_nothing_left()


@pytest.mark.parametrize(("end", "told", "heard"), ENDS)
def test_an_application_that_returns_has_answered(rig, end, told, heard):
    socket = accept(rig)
    socket.send(text("one") + end)
    socket.receive()
    socket.say("answer")
    socket.call.end()
    assert socket.payloads[0] == b"answer"
    assert socket.close == told


def test_an_application_that_closes_behind_the_client_echoes(rig):
    """RFC 6455 section 5.5.1: the answer to a Close has its code."""
    socket = accept(rig)
    socket.send(text("one") + close(4321, "theirs"))
    socket.receive()
    socket.end(4000, "ours")
    assert socket.close == (4321, "")
    assert socket.receive()["code"] == 4321
    assert socket.client.lost


def test_unread_messages_are_read_after_the_end(rig):
    socket = accept(rig)
    socket.send(text("one") + text("two") + close(1001))
    rig.pass_time(ANSWER)
    assert socket.close == (1001, "")
    assert [socket.receive().get("text") for _ in range(3)] == ["one", "two", None]
    assert socket.receive()["code"] == 1001


def test_nothing_is_heard_behind_the_end(rig):
    socket = accept(rig)
    socket.send(close(1000) + text("late"))
    socket.send(text("later"))
    assert socket.receive()["type"] == DISCONNECT
    assert socket.receive()["type"] == DISCONNECT


def test_messages_behind_the_end_of_the_own_side_reach_nobody(rig):
    socket = accept(rig)
    socket.end(1000)
    socket.send(text("late") + frame(0x9, b"ping"))
    assert socket.receive()["type"] == DISCONNECT
    assert len(socket.frames) == 1
    socket.send(close(1000))
    assert socket.client.lost
    assert len(socket.frames) == 1


@pytest.mark.parametrize("count", [1, 31, 32, 33, 100])
def test_all_of_a_queue_is_answered_before_the_close(rig, count):
    socket = accept(rig)
    socket.send(b"".join(text(str(number)) for number in range(count)) + close(1000))
    for number in range(count):
        assert socket.receive()["text"] == str(number)
        socket.say(str(number))
    assert socket.receive()["type"] == DISCONNECT
    assert socket.payloads[:-1] == [b"%d" % number for number in range(count)]
    assert socket.close == (1000, "")
