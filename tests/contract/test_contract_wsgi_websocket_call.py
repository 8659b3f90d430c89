"""The call of an application that may use a WebSocket: answers, errors, order, the way back."""

import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from bascule.connections.websocket import WebSocketConnection
from bascule.errors import ResponseError
from support.flag import DEADLINE, Flag
from support.http import RawClient
from support.http2_websocket import raw_websocket
from support.inprocess import Served
from support.wsgi import Closing, answering
from support.wsgi_websocket import (
    BAD_FRAME,
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    binary,
    close,
    frame,
    handshake,
    text,
)

Serve = Callable[..., Served]
Environ = dict[str, Any]


def echo(environ: Environ, start_response: Any) -> list[bytes]:
    ws = environ["wsgi.websocket"]
    for message in ws:
        ws.send(message)
    return []


def connect(served: Served, *args: Any, **options: Any) -> RawWebSocket:
    client = raw_websocket(served, *args, **options)
    served.clients.append(client)  # type: ignore[arg-type]  # it is closed at the end
    return client


def is_ended(sock: Any) -> bool:
    """Whether the other side of the client's socket is closed."""
    try:
        return bool(sock.recv(1) == b"")
    finally:
        sock.close()


# Refusing.


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "404 Not Found"])
@pytest.mark.parametrize("result", [[b"no"], (b"n", b"o"), lambda: iter([b"n", b"o"])])
def test_an_ordinary_answer_refuses(serve_wsgi_sockets: Serve, status: str, result: Any) -> None:
    """And the connection is kept alive."""
    served = serve_wsgi_sockets(answering(result, status, [("Content-Length", "2")]))
    with RawClient(served.port) as client:
        for _ in range(3):
            client.send(handshake())
            response = client.read_response()
            assert (response.status, response.body) == (int(status[:3]), b"no")
        client.request("GET", "/")
        assert client.read_response().body == b"no"
    served.wait_until_idle()
    assert served.hub.interface.sockets == 0


def test_start_response_and_write_refuse(serve_wsgi_sockets: Serve) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        write = start_response("403 Forbidden", [])
        write(b"not ")
        return [b"here"]

    response = connect(serve_wsgi_sockets(app)).response()
    assert (response.status, response.body) == (403, b"not here")


def test_an_error_before_the_acceptance_is_500(serve_wsgi_sockets: Serve) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        raise ValueError("on purpose")

    served = serve_wsgi_sockets(app)
    assert connect(served).response().status == 500
    served.wait_until_idle()
    assert "on purpose" in served.taken_log()


@pytest.mark.parametrize("use", ["accept", "receive", "send", "socket"])
def test_a_websocket_that_was_refused_cannot_be_used(serve_wsgi_sockets: Serve, use: str) -> None:
    """Its connection belongs to the next request by then, here another handshake."""
    said = Flag()
    second = Flag()

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        ws = environ["wsgi.websocket"]
        if environ["PATH_INFO"] == "/second":
            ws.accept()
            second.set()
            assert ws.receive() is None
            return
        start_response("403 Forbidden", [("Content-Length", "2")])
        yield b"no"
        second.wait()
        try:
            if use == "socket":
                assert is_ended(environ["werkzeug.socket"])
                ws.accept()
            else:
                getattr(ws, use)(*(["message"] if use == "send" else []))
        except ResponseError as error:
            said.set(str(error))

    served = serve_wsgi_sockets(app)
    client = connect(served)
    client.write(handshake("/second"))
    http = RawClient(sock=client.sock)
    assert http.read_response().status == 403
    client.received = http.unread
    client.accepted()
    assert said.wait() == (
        "this WebSocket was accepted before"
        if use == "socket"
        else "the handshake was answered before the WebSocket was used"
    )
    client.write(close(1000))
    assert client.closing() == (1000, "")
    served.wait_until_idle()
    assert "used a WebSocket that it had refused" in served.taken_log()


@pytest.mark.parametrize("use", ["accept", "socket"])
def test_half_an_answer_and_then_the_websocket_is_an_error(
    serve_wsgi_sockets: Serve, use: str
) -> None:
    """There is no way to say so to the client but to break off."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"half")
        if use == "socket":
            assert is_ended(environ["werkzeug.socket"])
        else:
            environ["wsgi.websocket"].accept()
        return []

    served = serve_wsgi_sockets(app)
    client = connect(served)
    assert b"half" in b"".join(iter(RawClient(sock=client.sock).receive, b""))
    served.wait_until_idle()
    assert "sent what HTTP does not allow" in served.taken_log()


# After the acceptance.


@pytest.mark.parametrize("answer", ["list", "generator", "write", "nothing"])
def test_an_answer_besides_goes_nowhere(serve_wsgi_sockets: Serve, answer: str) -> None:
    closing = Closing(b"unseen")

    def app(environ: Environ, start_response: Any) -> Any:
        environ["wsgi.websocket"].send("seen")
        if answer == "nothing":
            return []
        write = start_response("404 Not Found", [("Content-Length", "3")])
        if answer == "write":
            write(b"unseen")
            return []
        return closing if answer == "generator" else [b"unseen"]

    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    assert client.message() == "seen"
    assert client.finish() == (1000, "")
    if answer == "generator":
        assert closing.closed.wait() == 1


def test_a_generator_may_be_the_whole_conversation(serve_wsgi_sockets: Serve) -> None:
    """close() of the result is called behind it."""
    closed = Flag()

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        try:
            for message in environ["wsgi.websocket"]:
                environ["wsgi.websocket"].send(message)
                yield b"nowhere"
        finally:
            closed.set()

    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    client.write(text("one") + binary(b"two") + close(3000))
    assert client.message() == "one"
    assert client.message() == b"two"
    assert client.closing() == (3000, "")
    closed.wait()


@pytest.mark.parametrize("pieces", [(b"", ValueError("on purpose")), ()])
def test_close_of_the_result_is_always_called(serve_wsgi_sockets: Serve, pieces: Any) -> None:
    closing = Closing(*pieces)

    def app(environ: Environ, start_response: Any) -> Any:
        environ["wsgi.websocket"].accept()
        return closing

    served = serve_wsgi_sockets(app)
    client = connect(served)
    client.accepted()
    assert client.finish() == (1011 if pieces else 1000, "")
    assert closing.closed.wait() == (1 if pieces else 0)
    served.wait_until_idle()
    assert ("on purpose" in served.taken_log()) == bool(pieces)


def test_an_error_after_the_acceptance_is_1011(serve_wsgi_sockets: Serve) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        environ["wsgi.websocket"].send("before")
        raise ValueError("on purpose")

    served = serve_wsgi_sockets(app)
    client = connect(served)
    client.accepted()
    assert client.message() == "before"
    assert client.finish() == (1011, "")
    served.wait_until_idle()
    assert "on purpose" in served.taken_log()


def test_an_error_behind_a_client_that_left_is_logged_unless_it_says_just_that(
    serve_wsgi_sockets: Serve,
) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        ws = environ["wsgi.websocket"]
        while ws.receive() is not None:
            pass
        if environ["PATH_INFO"] == "/quiet":
            ws.send("not received")
        raise ValueError("on purpose")

    served = serve_wsgi_sockets(app)
    for target in ("/quiet", "/loud"):
        client = connect(served, target)
        client.accepted()
        client.reset()
        served.wait_until_quiet()
        assert ("on purpose" in served.taken_log()) == (target == "/loud")


# Order: what came before an end is answered before it is.


def test_messages_before_a_bad_frame_are_answered(serve_wsgi_sockets: Serve) -> None:
    served = serve_wsgi_sockets(echo)
    client = connect(served)
    client.accepted()
    client.write(text("one") + text("two") + BAD_FRAME)
    assert client.message() == "one"
    assert client.message() == "two"
    assert client.closing() == (1002, "frame without a mask")
    client.close()
    served.wait_until_quiet()
    assert "frame without a mask" in served.taken_log()


def test_a_message_before_the_close_frame_is_answered(serve_wsgi_sockets: Serve) -> None:
    client = connect(serve_wsgi_sockets(echo))
    client.accepted()
    client.write(text("one") + close(4000, "done"))
    assert client.message() == "one"
    assert client.closing() == (4000, "")
    assert client.is_ended()


def test_frames_behind_the_handshake_are_answered(serve_wsgi_sockets: Serve) -> None:
    """Too early by RFC 6455 section 4.1, but some clients guess the answer."""
    client = connect(serve_wsgi_sockets(echo), behind=text("one") + text("two") + close(1000))
    client.accepted()
    assert client.message() == "one"
    assert client.message() == "two"
    assert client.closing() == (1000, "")


def test_an_answer_that_was_sent_leaves_before_the_end_that_came_meanwhile(
    serve_wsgi_sockets: Serve,
) -> None:
    """The loop is held while the application answers and comes back for more, and finds both at
    once: the answer to carry out, and the Close frame. So nothing is owed, but not all is sent."""
    held, came_back = threading.Event(), threading.Event()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        ws = environ["wsgi.websocket"]
        while (message := ws.receive()) is not None:
            held.wait(DEADLINE)
            ws.send(message)
            with pytest.raises(TimeoutError):
                ws.receive(0)
            came_back.set()
        return []

    served = serve_wsgi_sockets(app)
    for end in (close(1000), BAD_FRAME):
        held.clear()
        came_back.clear()
        client = connect(served)
        client.accepted()
        client.write(text("question") + frame(PING, b"read"))
        assert client.frame() == (10, b"read")

        def hold_the_loop(client: RawWebSocket = client, end: bytes = end) -> None:
            client.write(end)
            held.set()
            assert came_back.wait(DEADLINE)

        served.loop.call_soon_threadsafe(hold_the_loop)
        assert client.message() == "question"
        assert client.frame()[0] == CLOSE
        client.close()
        served.wait_until_quiet()
    assert "frame without a mask" in served.taken_log()


@pytest.mark.parametrize("seed", range(3))
def test_every_message_before_an_end_is_answered_whatever_the_timing(
    serve_wsgi_sockets: Serve, seed: int
) -> None:
    """Many connections, each with messages and an end, cut into pieces anywhere."""
    random = Random(seed)
    served = serve_wsgi_sockets(echo, websocket_threads=24)

    def converse(number: int, random: Random) -> list[str]:
        """The mistakes of one conversation."""
        wrong = []
        for turn in range(4):
            count = random.randrange(5)
            messages = [f"{number} {turn} {index}" for index in range(count)]
            end = random.choice([close(4000), BAD_FRAME])
            data = b"".join(map(text, messages)) + end
            cuts = sorted(random.randrange(len(data)) for _ in range(random.randrange(3)))
            with raw_websocket(served) as client:
                client.accepted()
                for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
                    client.write(data[start:stop])
                answers = []
                while (answer := client.frame())[0] != CLOSE:
                    answers.append(answer[1].decode())
                if answers != messages:
                    wrong.append(f"{messages} were answered with {answers}")
        return wrong

    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda *args: found.extend(converse(*args)),
            args=(number, Random(random.random())),
        )
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == []
    served.wait_until_quiet()
    served.taken_log()


# Backpressure.


def test_reading_pauses_at_the_queue_and_goes_on_behind_it(serve_wsgi_sockets: Serve) -> None:
    """A ping is answered when it is read, so the answers say how far reading has come."""
    go_on = threading.Event()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        ws = environ["wsgi.websocket"]
        ws.accept()
        go_on.wait(DEADLINE)
        for message in ws:
            ws.send(message)
        return []

    served = serve_wsgi_sockets(app, ws_max_queue=3)
    client = connect(served)
    client.accepted()
    for number in range(6):
        client.write(text(f"{number}") + frame(PING, b"%d" % number))
    assert [client.frame() for _ in range(2)] == [(10, b"0"), (10, b"1")]
    served.wait_until(
        lambda: all(
            one.session.held
            for one in served.hub.connections
            if isinstance(one, WebSocketConnection)
        )
    )
    assert client.is_silent()
    go_on.set()
    frames = [client.frame() for _ in range(10)]
    echoed = [payload for opcode, payload in frames if opcode == TEXT]
    pongs = [payload for opcode, payload in frames if opcode == PONG]
    assert (echoed, pongs) == ([b"0", b"1", b"2", b"3", b"4", b"5"], [b"2", b"3", b"4", b"5"])


def test_a_queue_of_one_never_gets_stuck(serve_wsgi_sockets: Serve) -> None:
    """Reading pauses and continues at each message, in the moment in which the application takes
    it."""
    served = serve_wsgi_sockets(echo, ws_max_queue=1)
    count = 300
    data = b"".join(text(f"{number}") for number in range(count))

    def converse() -> None:
        with raw_websocket(served) as client:
            client.accepted()
            writer = threading.Thread(target=client.write, args=(data,))
            writer.start()
            for number in range(count):
                assert client.message() == f"{number}"
            writer.join()
            done.append(client)

    done: list[RawWebSocket] = []
    threads = [threading.Thread(target=converse) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 8


def test_a_client_that_does_not_read_blocks_its_thread_alone(serve_wsgi_sockets: Serve) -> None:
    sent = Flag()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        ws = environ["wsgi.websocket"]
        if environ["PATH_INFO"] == "/slow":
            for _ in range(64):
                ws.send(bytes(262144))
            sent.set()
        else:
            for message in ws:
                ws.send(message)
        return []

    served = serve_wsgi_sockets(app)
    slow = connect(served, "/slow", receive_buffer=8192)
    slow.accepted()
    other = connect(served)
    other.accepted()
    for number in range(20):
        other.write(text(f"{number}"))
        assert other.message() == f"{number}"
    assert not sent.is_set
    assert sum(len(slow.message()) for _ in range(64)) == 64 * 262144
    sent.wait()
    assert slow.finish() == (1000, "")


def test_the_write_deadline_gives_the_thread_back(serve_wsgi_sockets: Serve) -> None:
    heard = Flag()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        ws = environ["wsgi.websocket"]
        try:
            while True:
                ws.send(bytes(262144))
        finally:
            heard.set((ws.close_code, ws.close_reason))

    served = serve_wsgi_sockets(app, timeout_write=0.3)
    client = connect(served, receive_buffer=8192)
    client.accepted()
    assert heard.wait() == (1006, "nothing was read for the length of the write deadline")
    served.wait_until_idle()
    assert "write deadline" in served.taken_log()
