"""Limits of what a client may send, and what happens when the server stops."""

import asyncio
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from websocket_apps import (
    DISCONNECT,
    accept,
    accepted,
    close,
    echo,
    echo_all,
    hears,
    say,
    websocket,
)

from support.flag import Flag
from support.inprocess import Served
from support.websocket_client import CONTINUATION, PING, PONG, TEXT, Frame, binary, frame, text
from support.websocket_client import close as close_frame

Serve = Callable[..., Served]

DEFLATE = [("Sec-WebSocket-Extensions", "permessage-deflate")]
COMPRESSED = 0b100


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def assert_refused(served: Served, heard: Flag, sent: list[bytes], code: int, reason: str) -> None:
    client = served.connect()
    client.shake_hands("/", DEFLATE)
    for data in sent:
        client.send(data)
    assert client.read_closed() == (code, reason)
    assert heard.wait() == {"type": DISCONNECT, "code": code, "reason": reason}
    client.close()
    served.wait_until_quiet()
    assert f"WebSocket failed: {code} {reason}" in served.taken_log()


@pytest.mark.parametrize(
    ("sent", "what"),
    [
        ([binary(bytes(1001))], "frame"),
        ([binary(bytes(1001))[:8]], "frame"),
        ([frame(TEXT, b"a" * 600, fin=False), frame(CONTINUATION, b"a" * 401)], "message"),
        ([frame(TEXT, deflated(bytes(1001)), rsv=COMPRESSED)], "message"),
        ([frame(TEXT, deflated(bytes(50_000_000)), rsv=COMPRESSED)], "frame"),
    ],
    ids=["frame", "header-of-a-frame", "fragments", "compressed", "long-compressed"],
)
def test_what_is_too_long(serve_sockets: Serve, sent: list[bytes], what: str) -> None:
    heard = Flag()
    served = serve_sockets(hears(heard), ws_max_size=1000)
    assert_refused(served, heard, sent, 1009, f"{what} longer than 1000 bytes")


def test_what_is_just_short_enough(serve_sockets: Serve) -> None:
    client = serve_sockets(echo, ws_max_size=1000, ws_max_fragments=3).connect()
    client.shake_hands("/", DEFLATE)
    client.send(binary(bytes(1000)) + frame(2, deflated(bytes(1000)), rsv=COMPRESSED))
    pieces = [frame(TEXT, b"a" * 500, fin=False), frame(CONTINUATION, b"", fin=False)]
    client.send(b"".join(pieces) + frame(CONTINUATION, b"a" * 500))
    assert all(client.read_frame().fin for _ in range(3))


def test_too_many_fragments(serve_sockets: Serve) -> None:
    heard = Flag()
    served = serve_sockets(hears(heard), ws_max_fragments=3)
    sent = [frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 3]
    assert_refused(served, heard, sent, 1009, "message in more than 3 frames")


def test_a_bomb_does_not_fill_memory(serve_sockets: Serve) -> None:
    """Two hundred kilobytes that stand for two hundred megabytes."""
    heard = Flag()
    served = serve_sockets(hears(heard), ws_max_size=1_000_000)
    bomb = frame(TEXT, deflated(bytes(200_000_000)), rsv=COMPRESSED)
    tracemalloc.start()
    try:
        reason = "message longer than 1000000 bytes"
        assert_refused(served, heard, [bomb], 1009, reason)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (frame(TEXT, b"a", mask=b""), 1002, "frame without a mask"),
        (frame(TEXT, b"\xff"), 1007, "text is not UTF-8"),
        (frame(CONTINUATION, b"a"), 1002, "continuation of no message"),
        (frame(PING, fin=False), 1002, "fragmented control frame"),
        (frame(TEXT, b"a", rsv=1), 1002, "frame with a reserved bit that was not negotiated"),
        (frame(TEXT, b"\xff\xff", rsv=COMPRESSED), 1007, "compressed data is broken"),
    ],
    ids=["mask", "utf-8", "continuation", "ping", "rsv", "deflate"],
)
def test_what_breaks_the_protocol(
    serve_sockets: Serve, sent: bytes, code: int, reason: str
) -> None:
    heard = Flag()
    assert_refused(serve_sockets(hears(heard)), heard, [sent], code, reason)


def test_messages_before_a_failure_are_answered(serve_sockets: Serve) -> None:
    served = serve_sockets(echo)
    client = served.connect()
    client.shake_hands()
    client.send(text("one") + text("two") + frame(0xF))
    assert [client.read_text(), client.read_text()] == ["one", "two"]
    assert client.read_close()[0] == 1002
    client.close()
    served.wait_until_quiet()
    assert "1002" in served.taken_log()


def test_a_close_is_read_behind_much_that_is_unread(serve_sockets: Serve) -> None:
    """The server lingers, so that its Close is not lost to a reset."""
    served = serve_sockets(echo)
    client = served.connect()
    client.shake_hands()
    client.send(frame(0xF) + bytes(3_000_000))
    assert client.read_closed()[0] == 1002
    client.close()
    served.wait_until_quiet()
    assert "1002" in served.taken_log()


def test_data_behind_the_handshake(serve_sockets: Serve) -> None:
    client = serve_sockets(echo).connect()
    client.shake_hands(behind=text("one") + frame(PING, b"p") + text("two") + close_frame(1001))
    frames = [client.read_frame() for _ in range(4)]
    assert Frame(PONG, b"p") in frames
    frames.remove(Frame(PONG, b"p"))
    assert [found.payload for found in frames] == [b"one", b"two", b"\x03\xe9"]
    assert client.read_to_end() == b""


# Stopping.


@pytest.mark.parametrize(("asked", "told"), [(None, 1012), (1001, 1001), (1005, None), (99, 1011)])
def test_open_websockets_are_closed(
    serve_sockets: Serve, asked: int | None, told: int | None
) -> None:
    heard = Flag()

    @websocket
    async def application(receive: Any, send: Any) -> None:
        await accept(send, **({} if asked is None else {"bascule.stop_code": asked}))
        heard.set(await echo_all(receive, send))

    served = serve_sockets(application)
    client = served.connect()
    client.shake_hands(behind=text("a"))
    assert client.read_text() == "a"
    served.begin_stop()
    assert client.read_close() == (told, "")
    assert heard.wait()["code"] == (told or 1005)
    client.send(close_frame(told))
    assert client.read_to_end() == b""
    served.wait_until_ended()


def test_what_was_received_before_the_stop_is_read_after_it(serve_sockets: Serve) -> None:
    stopped, got = Flag(), Flag()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        await say(send, "ready")
        await stopped.reached()
        got.set([(await receive()).get("text") for _ in range(3)])

    served = serve_sockets(application)
    client = served.connect()
    client.shake_hands()
    assert client.read_text() == "ready"
    client.send(text("one") + text("two") + frame(PING, b"p"))
    assert client.read_frame() == Frame(PONG, b"p")
    served.begin_stop()
    assert client.read_close() == (1012, "")
    stopped.set()
    assert got.wait() == ["one", "two", None]
    client.send(close_frame(1012))
    served.wait_until_ended()


@pytest.mark.parametrize("accepts", [True, False])
def test_a_handshake_is_answered_while_the_server_stops(
    serve_sockets: Serve, accepts: bool
) -> None:
    called, go_on = Flag(), Flag()

    @websocket
    async def application(receive: Any, send: Any) -> None:
        called.set()
        await go_on.reached()
        await (accept(send) if accepts else close(send))
        await receive()

    served = serve_sockets(application)
    client = served.connect()
    client.ask()
    called.wait()
    served.begin_stop()
    served.run(asyncio.sleep(0))
    go_on.set()
    if accepts:
        client.read_answer()
        assert client.read_close() == (1012, "")
        client.send(close_frame(1012))
        assert client.read_to_end() == b""
    else:
        response = client.read_response()
        assert response.status == 403
        assert response.header("connection") == ("close" if client.http_version == "1.1" else None)
        assert client.read_to_end() == b""
    served.wait_until_ended()


def test_the_deadline_of_the_stop_holds(serve_sockets: Serve) -> None:
    """A client that answers no Close, and an application that does not end."""
    ended = Flag()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    served = serve_sockets(application, timeout_graceful_shutdown=0.2)
    client = served.connect()
    client.shake_hands()
    served.begin_stop()
    assert client.read_close() == (1012, "")
    assert client.read_to_end() == b""
    ended.wait()
    served.wait_until_ended()
    assert "1 requests were still running after 0.2 s" in served.taken_log()
