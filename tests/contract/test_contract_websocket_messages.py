"""Messages both ways, and every way in which a WebSocket ends."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websocket_apps import (
    DISCONNECT,
    Counted,
    accept,
    accepted,
    close,
    deny,
    echo,
    hears,
    say,
    websocket,
)

from bascule.errors import ClientDisconnected, ResponseError
from support.flag import Flag
from support.inprocess import Served
from support.websocket_client import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    binary,
    frame,
    text,
)
from support.websocket_client import close as close_frame

Serve = Callable[..., Served]

FREE_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
RESERVED_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 3_000_000])
def test_messages_of_every_length(serve_sockets: Serve, size: int) -> None:
    client = serve_sockets(echo).connect()
    client.shake_hands()
    message = bytes(range(256)) * (size // 256 + 1)
    client.send(binary(message[:size]))
    assert client.read_frame() == Frame(BINARY, message[:size])
    client.send(text("ü" * (size // 2)))
    assert client.read_frame() == Frame(TEXT, ("ü" * (size // 2)).encode())


def test_kinds_of_message_are_kept(serve_sockets: Serve) -> None:
    got = Flag()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        got.set([await receive() for _ in range(3)])
        await send({"type": "websocket.send", "bytes": b"b", "text": None})
        await send({"type": "websocket.send", "bytes": None, "text": "t"})
        await send({"type": "websocket.send", "bytes": bytearray(b"a")})
        await send({"type": "websocket.send", "bytes": memoryview(b"m")})

    client = serve_sockets(application).connect()
    client.shake_hands()
    client.send(text("text") + binary(b"text") + text(""))
    assert got.wait() == [
        {"type": "websocket.receive", "text": "text"},
        {"type": "websocket.receive", "bytes": b"text"},
        {"type": "websocket.receive", "text": ""},
    ]
    frames = [client.read_frame() for _ in range(4)]
    assert [found.opcode for found in frames] == [BINARY, TEXT, BINARY, BINARY]
    assert b"".join(found.payload for found in frames) == b"btam"


def test_fragments_with_a_ping_between_them(serve_sockets: Serve) -> None:
    client = serve_sockets(echo).connect()
    client.shake_hands()
    euro = "€".encode()
    client.send(frame(TEXT, euro[:1], fin=False) + frame(PING, b"now"))
    assert client.read_frame() == Frame(PONG, b"now")
    client.send(frame(CONTINUATION, euro[1:2], fin=False) + frame(CONTINUATION, euro[2:]))
    assert client.read_text() == "€"


def test_byte_by_byte(serve_sockets: Serve) -> None:
    client = serve_sockets(echo).connect()
    client.shake_hands()
    for byte in text("slow") + frame(PING, b"p") + binary(b"x" * 200):
        client.send(bytes([byte]))
    assert client.read_text() == "slow"
    assert client.read_frame() == Frame(PONG, b"p")
    assert client.read_frame() == Frame(BINARY, b"x" * 200)


@pytest.mark.parametrize("code", FREE_CODES)
def test_codes_from_the_client(serve_sockets: Serve, code: int) -> None:
    heard = Flag()
    client = serve_sockets(hears(heard)).connect()
    client.shake_hands()
    client.send(close_frame(code, "bye ü"))
    assert client.read_closed() == (code, "")
    assert heard.wait() == {"type": DISCONNECT, "code": code, "reason": "bye ü"}


@pytest.mark.parametrize("code", RESERVED_CODES)
def test_codes_that_no_client_may_send(serve_sockets: Serve, code: int) -> None:
    heard = Flag()
    served = serve_sockets(hears(heard))
    client = served.connect()
    client.shake_hands()
    client.send(close_frame(code))
    reason = f"Close frame with the code {code}"
    assert client.read_closed() == (1002, reason)
    assert heard.wait() == {"type": DISCONNECT, "code": 1002, "reason": reason}
    client.close()
    served.wait_until_quiet()
    assert f"1002 {reason}" in served.taken_log()


def test_an_empty_close_from_the_client(serve_sockets: Serve) -> None:
    heard = Flag()
    client = serve_sockets(hears(heard)).connect()
    client.shake_hands()
    client.send(close_frame(None))
    assert client.read_closed() == (None, "")
    assert heard.wait() == {"type": DISCONNECT, "code": 1005, "reason": ""}


@pytest.mark.parametrize("code", FREE_CODES)
def test_codes_from_the_application(serve_sockets: Serve, code: int) -> None:
    heard = Flag()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        await close(send, code=code, reason="bye ü")
        heard.set([await receive(), await receive()])

    client = serve_sockets(application).connect()
    client.shake_hands()
    assert client.read_close() == (code, "bye ü")
    assert heard.wait() == [{"type": DISCONNECT, "code": code, "reason": "bye ü"}] * 2
    client.send(close_frame(code))
    assert client.read_to_end() == b""


@pytest.mark.parametrize("code", [code for code in RESERVED_CODES if code != 1005])
def test_codes_that_no_application_may_send(serve_sockets: Serve, code: int) -> None:
    @accepted
    async def application(receive: Any, send: Any) -> None:
        with pytest.raises(ResponseError, match=f"{code} is not a code"):
            await close(send, code=code)
        await say(send, "still open")
        await close(send, reason=None)

    client = serve_sockets(application).connect()
    client.shake_hands()
    assert client.read_text() == "still open"
    assert client.read_close() == (1000, "")


def test_an_empty_close_from_the_application(serve_sockets: Serve) -> None:
    @accepted
    async def application(receive: Any, send: Any) -> None:
        await close(send, code=1005)

    client = serve_sockets(application).connect()
    client.shake_hands()
    assert client.read_close() == (None, "")


@pytest.mark.parametrize("how", ["close", "fin", "reset", "bad"])
def test_sending_to_a_client_that_has_gone(serve_sockets: Serve, how: str) -> None:
    result = Flag()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        message = await receive()
        errors = []
        for _ in range(2):
            for again in (say(send, "a"), say(send, b"a"), close(send)):
                with pytest.raises(OSError, match="client closed") as raised:
                    await again
                errors.append(raised.type)
        result.set((message["code"], set(errors), (await receive())["type"]))

    served = serve_sockets(application)
    client = served.connect()
    client.shake_hands()
    if how == "close":
        client.send(close_frame(1001))
    elif how == "fin":
        client.half_close()
    elif how == "reset":
        client.reset()
    else:
        client.send(frame(0x7))
    code = {"close": 1001, "bad": 1002}.get(how, 1006)
    assert result.wait() == (code, {ClientDisconnected}, DISCONNECT)
    client.close()
    served.wait_until_quiet()
    assert ("1002" in served.taken_log()) == (how == "bad")


def test_a_pure_sender_learns_of_it_by_oserror(serve_sockets: Serve) -> None:
    """It never receives and never pauses on its own; it must give way all the same."""
    ended = Flag()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        try:
            while True:
                await say(send, b"tick" * 100)
        except OSError:
            ended.set()
            raise

    served = serve_sockets(application)
    client = served.connect()
    client.shake_hands()
    for _ in range(1000):
        assert client.read_frame().payload == b"tick" * 100
    client.reset()
    ended.wait()
    served.wait_until_quiet()
    assert served.taken_log() == ""


# How an application ends.


class Own(Exception):
    """The application's."""


async def raises() -> None:
    raise Own


async def exits() -> None:
    raise SystemExit(3)


async def interrupts() -> None:
    raise KeyboardInterrupt


async def is_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def cancels_at_once() -> None:
    raise asyncio.CancelledError


async def returns() -> None:
    return


FAILURES = [raises, exits, interrupts, is_cancelled, cancels_at_once]
names = pytest.mark.parametrize("end", [*FAILURES, returns], ids=lambda end: end.__name__)


@names
@pytest.mark.parametrize("begun", [False, True])
def test_an_end_before_an_answer(serve_sockets: Serve, end: Any, begun: bool) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "websocket.http.response.start", "status": 404})
        await end()

    served = serve_sockets(application)
    client = served.connect()
    for _ in range(2):
        client.ask()
        assert client.read_response().status == 500
    log = served.taken_log()
    assert ("without answering the WebSocket handshake" in log) == (end is returns)
    assert ("was cancelled" in log) == (end in (is_cancelled, cancels_at_once))
    assert ("Own" in log) == (end is raises)


@names
def test_an_end_in_the_middle_of_a_denial(serve_sockets: Serve, end: Any) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 404})
        await send({"type": "websocket.http.response.body", "body": b"be", "more_body": True})
        await end()

    served = serve_sockets(application)
    client = served.connect()
    client.ask()
    assert not client.read_to_end().endswith(b"0\r\n\r\n")
    served.wait_until_idle()
    assert bool(served.taken_log()) == (end is not returns)


@names
def test_an_end_of_an_open_websocket(serve_sockets: Serve, end: Any) -> None:
    @accepted
    async def application(receive: Any, send: Any) -> None:
        await say(send, "before")
        await end()

    served = serve_sockets(application)
    client = served.connect()
    client.shake_hands()
    assert client.read_text() == "before"
    assert client.read_close() == (1000 if end is returns else 1011, "")
    client.send(close_frame(1011))
    assert client.read_to_end() == b""
    assert bool(served.taken_log()) == (end is not returns)


@names
def test_an_end_after_a_close(serve_sockets: Serve, end: Any) -> None:
    @accepted
    async def application(receive: Any, send: Any) -> None:
        await close(send, code=4000)
        await end()

    served = serve_sockets(application)
    client = served.connect()
    client.shake_hands()
    assert client.read_close() == (4000, "")
    client.send(close_frame(4000))
    assert client.read_to_end() == b""
    log = served.taken_log()
    assert bool(log) == (end in (raises, exits, interrupts))


@names
def test_an_end_after_a_denial(serve_sockets: Serve, end: Any) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        await deny(send, 404, [], b"no")
        await end()

    served = serve_sockets(application)
    client = served.connect()
    for _ in range(2):
        client.ask()
        assert client.read_response().status == 404
    served.wait_until_idle()
    log = served.taken_log()
    assert ("raised" in log) == (end in (raises, exits, interrupts))


@names
def test_an_end_when_the_client_has_gone(serve_sockets: Serve, end: Any) -> None:
    ended = Flag()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        await receive()
        ended.set()
        await end()

    served = serve_sockets(application)
    client = served.connect()
    client.shake_hands()
    client.reset()
    ended.wait()
    served.wait_until_quiet()
    assert bool(served.taken_log()) == (end in (raises, exits, interrupts))


# Flow.


def test_a_sender_waits_for_its_reader(serve_sockets: Serve) -> None:
    stuck = Flag()
    counted = Counted()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        async def send_all() -> None:
            for number in range(300):
                await say(counted, number.to_bytes(4, "big") * 16384)

        counted.send = send
        sending = asyncio.ensure_future(send_all())
        stuck.set(await counted.until_stuck())
        await sending

    client = serve_sockets(application).connect(receive_buffer=4096)
    client.shake_hands()
    assert stuck.wait() < 300
    for number in range(300):
        assert client.read_frame().payload[:4] == number.to_bytes(4, "big")
    assert client.read_close() == (1000, "")


def test_a_reader_holds_its_sender(serve_sockets: Serve) -> None:
    """Forty megabytes do not get in before the application reads, and then all arrive."""
    go_on, total = Flag(), Flag()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        await go_on.reached()
        size = 0
        while (message := await receive())["type"] == "websocket.receive":
            size += len(message["bytes"])
        total.set(size)

    client = serve_sockets(application).connect()
    client.shake_hands()
    message = binary(bytes(1_000_000))
    unsent = message * 40
    sent = client.fill(unsent)
    assert sent < len(unsent)
    go_on.set()
    client.send(unsent[sent:] + close_frame())
    assert client.read_closed() == (1000, "")
    assert total.wait() == 40_000_000


def test_two_tasks_of_an_application(serve_sockets: Serve) -> None:
    """One sends while the other waits; the end reaches both."""
    first, heard = Flag(), Flag()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        waiting = asyncio.ensure_future(receive_all(receive))
        with pytest.raises(OSError, match="client closed"):
            await say_for_ever(send)
        heard.set(await waiting)

    async def say_for_ever(send: Any) -> None:
        while True:
            await say(send, "tick")
            await asyncio.sleep(0)

    async def receive_all(receive: Any) -> list[Any]:
        messages = [await receive()]
        first.set()
        while messages[-1]["type"] != DISCONNECT:
            messages.append(await receive())
        return messages

    client = serve_sockets(application).connect()
    client.shake_hands()
    client.send(text("one"))
    first.wait()
    assert client.read_text() == "tick"
    client.send(text("two") + close_frame(1001))
    while (found := client.read_frame()).opcode == TEXT:
        pass
    assert found.payload == (1001).to_bytes(2, "big")
    assert [message.get("text") for message in heard.wait()] == ["one", "two", None]


def test_a_receive_that_is_given_up_loses_nothing(serve_sockets: Serve) -> None:
    given_up, got = Flag(), Flag()

    @accepted
    async def application(receive: Any, send: Any) -> None:
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        given_up.set(waiting.cancelled())
        got.set(await receive())

    client = serve_sockets(application).connect()
    client.shake_hands()
    assert given_up.wait() is True
    client.send(text("kept"))
    assert got.wait()["text"] == "kept"


def test_connect_is_not_needed_to_accept(serve_sockets: Serve) -> None:
    """Some applications never ask for it, and get it later."""
    got = Flag()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await accept(send)
        got.set([(await receive())["type"], (await receive())["type"]])

    client = serve_sockets(application).connect()
    client.shake_hands(behind=text("a"))
    assert got.wait() == ["websocket.connect", "websocket.receive"]
