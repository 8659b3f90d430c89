"""Backpressure both ways, the handshake's neighbours on the connection, and the end of it."""

import pytest
from connection_rig import request, statuses
from websocket_rig import DISCONNECT, Socket, accept, ask

from bascule.connections.plan import Deadlines
from bascule.errors import ResponseError
from support.websocket_client import Frame, binary, close, frame, handshake, text

LARGE = bytes(100_000)


@pytest.mark.parametrize(
    "messages",
    [[text("a")] * 32, [binary(bytes(131_072))], [text("é" * 65_536)] * 2, [text("")] * 32],
    ids=["32", "128-KiB", "2-times-64-Ki-characters", "empty"],
)
def test_unread_messages_pause_reading(rig, messages):
    socket = accept(rig)
    for message in messages[:-1]:
        socket.send(message)
    assert socket.client.reading
    socket.send(messages[-1])
    assert not socket.client.reading
    socket.send(text("kept in the kernel"))
    assert socket.client.undelivered
    for _ in messages:
        assert not socket.client.reading
        assert "kept" not in socket.receive().get("text", "")
    assert socket.client.reading
    assert socket.receive()["text"] == "kept in the kernel"
    assert socket.client.pauses == 1


def test_a_segment_of_many_messages_waits_in_the_engine(rig):
    socket = accept(rig)
    socket.send(text("a") * 1000)
    assert len(socket.call.receive().result()["text"]) == 1
    for _ in range(999):
        assert socket.receive()["text"] == "a"
    assert socket.client.reading
    assert not socket.call.receive().done()


def test_a_client_that_goes_while_messages_wait(rig):
    socket = accept(rig)
    socket.send(text("a") * 40)
    socket.client.reset()
    messages = [socket.receive() for _ in range(34)]
    assert [message["type"] for message in messages[:32]] == ["websocket.receive"] * 32
    assert [message["type"] for message in messages[32:]] == [DISCONNECT] * 2
    socket.call.end()
    rig.assert_nothing_left()


def test_a_sender_waits_while_the_client_does_not_read(rig):
    socket = accept(rig)
    socket.client.stop_reading()
    sending = socket.call.send({"type": "websocket.send", "bytes": LARGE})
    assert not sending.done()
    socket.client.read(50_000)
    assert not sending.done()
    socket.client.start_reading()
    assert sending.result() is None
    assert socket.payloads == [LARGE]


def test_a_sender_that_waits_is_woken_when_the_client_goes(rig):
    socket = accept(rig)
    socket.client.stop_reading()
    sending = socket.call.send({"type": "websocket.send", "bytes": LARGE})
    socket.client.reset()
    assert sending.result() is None
    with pytest.raises(OSError, match="client closed"):
        socket.say("more").result()


class Word(str):
    """Text as templates, enumerations and translations make it."""

    def __str__(self) -> str:
        return "something else"


def test_text_of_a_subclass_is_text(rig):
    socket = accept(rig)
    socket.say(Word("word"))
    socket.end(4000, Word("reason"))
    assert socket.payloads[0] == b"word"
    assert socket.close == (4000, "reason")


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        ({"type": "websocket.send", "text": b"a"}, "text is bytes, not str"),
        ({"type": "websocket.send"}, "text is NoneType, not str"),
        ({"type": "websocket.send", "text": None, "bytes": None}, "text is NoneType, not str"),
        ({"type": "websocket.send", "bytes": "a"}, "body is str, not bytes"),
        ({"type": "websocket.send", "text": "\ud800"}, "UTF-8"),
        ({"type": "websocket.close", "code": "1000"}, "code is str, not int"),
        ({"type": "websocket.close", "code": None}, "code is NoneType, not int"),
        ({"type": "websocket.close", "code": 1006}, "1006 is not a code"),
        ({"type": "websocket.close", "code": -1}, "-1 is not a code"),
        ({"type": "websocket.close", "reason": b"a"}, "reason is bytes, not str"),
        ({"type": "websocket.close", "reason": "\udfff"}, "UTF-8"),
        ({"type": "websocket.close", "reason": "é" * 62}, "at most 123 bytes"),
        ({"type": "websocket.close", "code": 1005, "reason": "a"}, "without a code"),
    ],
    ids=str,
)
def test_what_cannot_be_sent_changes_nothing(rig, message, wrong):
    socket = accept(rig)
    with pytest.raises(ResponseError, match=wrong):
        socket.call.send(message).result()
    assert socket.say("still open").result() is None
    assert socket.payloads == [b"still open"]
    socket.end(1000)
    assert socket.close == (1000, "")


def test_a_close_waits_for_nothing(rig):
    socket = accept(rig)
    socket.client.stop_reading()
    socket.call.send({"type": "websocket.send", "bytes": LARGE})
    assert socket.call.send({"type": "websocket.close"}).done()


def test_what_is_unread_before_the_handshake_is_answered_holds_the_sender_too(rig):
    """Its bytes are in the same buffer, whose high-water mark is passed once only."""
    client = rig.connect()
    client.stop_reading()
    client.send(handshake())
    rig.loop.run_soon(client.protocol.inform, 103, [(b"link", b"x" * len(LARGE))])
    socket = Socket(rig, client, rig.calls[0])
    socket.receive()
    accepting = socket.call.send({"type": "websocket.accept"})
    assert not accepting.done()
    assert not socket.say("one").done()
    client.start_reading()
    assert accepting.done()
    assert socket.say("two").done()
    socket.send(close(1000))
    socket.call.end()
    rig.assert_nothing_left()


def test_what_comes_right_behind_the_handshake(rig):
    socket = accept(rig, behind=text("one") + frame(0x9, b"ping") + text("two"))
    assert socket.frames == [Frame(0xA, b"ping")]
    assert [socket.receive()["text"] for _ in range(2)] == ["one", "two"]
    socket.send(text("three"))
    assert socket.receive()["text"] == "three"


def test_much_behind_the_handshake(rig):
    """More than is read ahead of a response: reading was paused, and continues."""
    message = binary(bytes(50_000))
    socket = accept(rig, behind=message * 3)
    socket.send(message)
    for _ in range(4):
        assert socket.receive()["bytes"] == bytes(50_000)
    assert socket.client.reading


def test_a_failure_right_behind_the_handshake(rig):
    socket = accept(rig, behind=text("one") + request())
    assert socket.receive()["text"] == "one"
    assert socket.receive()["code"] == 1002
    assert socket.close[0] == 1002


def test_messages_and_fin_right_behind_the_handshake(rig):
    client, call = ask(rig, text("one") + close(1000))
    client.send_eof()
    socket = Socket(rig, client, call)
    socket.receive()
    call.send({"type": "websocket.accept"}).result()
    assert socket.receive()["text"] == "one"
    socket.say("answer")
    assert socket.receive()["code"] == 1000
    assert socket.payloads[0] == b"answer"
    assert socket.close == (1000, "")
    call.end()
    rig.assert_nothing_left()


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_client_that_goes_without_a_close(rig, how):
    socket = accept(rig)
    waiting = socket.call.receive()
    socket.client.send_eof() if how == "fin" else socket.client.reset()
    assert waiting.result() == {"type": DISCONNECT, "code": 1006, "reason": ""}
    assert socket.client.lost
    assert socket.frames == []
    socket.call.end()
    rig.assert_nothing_left()


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_client_that_goes_before_its_handshake_is_answered(rig, how, caplog):
    client, call = ask(rig)
    assert call.receive().result() == {"type": "websocket.connect"}
    waiting = call.receive()
    client.send_eof() if how == "fin" else client.reset()
    rig.pass_time(Deadlines().half_close)
    assert waiting.result() == {"type": DISCONNECT, "code": 1006, "reason": ""}
    call.end()
    assert client.lost
    assert client.received == b""
    assert caplog.messages == []
    rig.assert_nothing_left()


def test_a_pipelined_request_behind_a_denial(rig):
    client, call = ask(rig, request("/next"))
    call.send({"type": "websocket.close"}).result()
    call.end()
    assert statuses(client) == [403]
    rig.calls[1].respond(b"next")
    assert statuses(client) == [403, 200]
    client.send(request("/third"))
    rig.calls[2].respond()
    assert statuses(client) == [403, 200, 200]


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_receive_that_waits_hears_of_a_denial(rig, pieces):
    client, call = ask(rig)
    call.receive()
    waiting = call.receive()
    call.send({"type": "websocket.http.response.start", "status": 404}).result()
    for number in range(pieces):
        more = {"body": b"no", "more_body": number < pieces - 1}
        call.send({"type": "websocket.http.response.body", **more}).result()
    assert waiting.result()["type"] == DISCONNECT
    call.end()
    assert statuses(client) == [404]
    client.send_eof()
    rig.assert_nothing_left()


def test_a_receive_that_waits_hears_of_a_refusal(rig):
    client, call = ask(rig)
    call.receive()
    waiting = call.receive()
    call.send({"type": "websocket.close"}).result()
    assert waiting.result()["type"] == DISCONNECT
    assert statuses(client) == [403]


def test_a_denial_that_breaks_its_promise_is_cut_off(rig, caplog):
    client, call = ask(rig)
    fields = [(b"content-length", b"3")]
    start = {"type": "websocket.http.response.start", "status": 404, "headers": fields}
    call.send(start).result()
    call.send({"type": "websocket.http.response.body", "body": b"ab", "more_body": True}).result()
    failing = call.send({"type": "websocket.http.response.body", "body": b"cd"})
    assert failing.exception() is not None
    call.fail(failing.exception())
    assert client.aborted
    assert "raised" in caplog.text
    rig.assert_nothing_left()


def test_a_denial_waits_while_the_client_does_not_read(rig):
    client, call = ask(rig)
    client.stop_reading()
    call.send({"type": "websocket.http.response.start", "status": 404}).result()
    body = {"type": "websocket.http.response.body", "body": LARGE, "more_body": True}
    sending = call.send(body)
    assert not sending.done()
    client.start_reading()
    assert sending.done()


def test_the_access_log_has_a_line_for_the_handshake(rig):
    socket = accept(rig)
    assert rig.access_lines == [("GET", "/", 101)]
    socket.send(close())
    socket.call.end()
    _, call = ask(rig)
    call.send({"type": "websocket.close"}).result()
    assert rig.access_lines == [("GET", "/", 101), ("GET", "/", 403)]


# The limit of requests at once.


def test_open_websockets_do_not_count_as_requests(rig):
    rig.configure(max_running=1)
    sockets = [accept(rig) for _ in range(3)]
    client = rig.connect()
    client.send(request("/one"))
    other = rig.connect()
    other.send(request("/two"))
    assert statuses(other) == [503]
    rig.calls[-1].respond()
    assert statuses(client) == [200]
    for socket in sockets:
        socket.send(close())
        socket.call.end()


def test_a_handshake_counts_as_a_request(rig):
    rig.configure(max_running=1)
    ask(rig)
    other = rig.connect()
    other.send(handshake())
    assert statuses(other) == [503]


def test_websockets_that_are_closing_do_not_make_room_for_requests(rig):
    """Their calls have returned, and count neither way."""
    rig.configure(max_running=1)
    for _ in range(3):
        accept(rig).call.end()
    clients = [rig.connect() for _ in range(3)]
    for client in clients:
        client.send(request())
    assert [statuses(client) for client in clients] == [[], [503], [503]]


def test_calls_whose_websockets_are_gone_do_not_count_as_requests(rig):
    """Hundreds may be cleaning up after a network that broke."""
    rig.configure(max_running=1)
    sockets = [accept(rig) for _ in range(3)]
    for socket in sockets:
        socket.client.reset()
    client = rig.connect()
    client.send(request())
    rig.calls[-1].respond()
    assert statuses(client) == [200]
    for socket in sockets:
        socket.call.end()
    client.send_eof()
    rig.assert_nothing_left()


# The drain.


@pytest.mark.parametrize(
    ("message", "told"),
    [({}, 1012), ({"bascule.stop_code": 1001}, 1001), ({"bascule.stop_code": 1006}, 1011)],
)
def test_the_drain_closes_what_is_open(rig, message, told):
    socket = accept(rig, message=message)
    waiting = socket.call.receive()
    rig.drain()
    assert socket.close == (told, "")
    assert waiting.result() == {"type": DISCONNECT, "code": told, "reason": ""}
    socket.send(close(told))
    assert socket.client.lost
    socket.call.end()
    rig.assert_nothing_left()


@pytest.mark.parametrize("code", ["1001", None, 1001.5])
def test_a_stop_code_of_the_wrong_kind_is_refused_at_once(rig, code):
    """Not when the server stops: other connections are closed behind this one."""
    client, call = ask(rig)
    call.receive()
    message = {"type": "websocket.accept", "bascule.stop_code": code}
    with pytest.raises(ResponseError, match=r"bascule.stop_code is \w+, not int"):
        call.send(message).result()
    call.send({"type": "websocket.accept"}).result()
    rig.drain()
    assert Socket(rig, client, call).close == (1012, "")


def test_messages_received_before_the_drain_can_be_read(rig):
    socket = accept(rig)
    socket.send(text("one") + text("two"))
    rig.drain()
    assert [socket.receive().get("text") for _ in range(3)] == ["one", "two", None]
    with pytest.raises(OSError, match="client closed"):
        socket.say("answer").result()


def test_a_drain_behind_the_clients_close_answers_that(rig):
    socket = accept(rig)
    socket.send(text("one") + close(4000))
    rig.drain()
    assert socket.close == (4000, "")
    assert socket.client.lost


def test_a_handshake_that_is_accepted_while_draining(rig):
    client, call = ask(rig)
    call.receive()
    rig.drain()
    assert not client.closing
    call.send({"type": "websocket.accept"}).result()
    assert Socket(rig, client, call).close == (1012, "")
    client.send(close(1012))
    call.end()
    rig.assert_nothing_left()


def test_a_handshake_that_is_denied_while_draining(rig):
    client, call = ask(rig)
    rig.drain()
    call.send({"type": "websocket.close"}).result()
    call.end()
    assert statuses(client) == [403]
    assert b"connection: close" in client.received
    assert client.lost
    rig.assert_nothing_left()


def test_a_client_that_ignores_the_drain(rig):
    socket = accept(rig)
    rig.drain()
    socket.call.end()
    rig.pass_time(Deadlines().websocket_closing)
    assert socket.client.aborted
    rig.assert_nothing_left()
