"""WSGIToASGI, driven as an ASGI server drives it."""

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from bascule.adapters import WSGIToASGI, threaded_call
from bascule.adapters.environ import scope_environ
from bascule.adapters.threaded_call import RESPONSE_HIGH_WATER
from bascule.errors import ClientDisconnected, ResponseError
from support.adapters import PIECE, AsgiCalled, call_asgi, http_scope
from support.flag import DEADLINE, Flag
from support.wsgi import Closing, answering

TEXT = [("Content-Type", "text/plain")]


def run(coroutine: Any) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(DEADLINE):
            return await coroutine

    return asyncio.run(bounded())


def of_call(app: Any, scope: dict[str, Any] | None = None, body: bytes = b"") -> AsgiCalled:
    return run(call_asgi(WSGIToASGI(app), scope, body))


# The response.


def test_a_whole_response_says_its_length() -> None:
    called = of_call(answering([b"he", b"llo"], "201 Created", [("X-One", "1")]))
    assert called.sent == [
        {
            "type": "http.response.start",
            "status": 201,
            "headers": [(b"x-one", b"1"), (b"content-length", b"5")],
        },
        {"type": "http.response.body", "body": b"hello", "more_body": False},
    ]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_no_length_is_said_where_http_has_none(status: str) -> None:
    assert of_call(answering([b""], status)).headers == {}


def test_pieces_leave_as_they_come() -> None:
    async def scenario() -> None:
        sent_first = threading.Event()

        def pieces() -> Any:
            yield b"one"
            assert sent_first.wait(DEADLINE)
            yield b"two"

        called = AsgiCalled(WSGIToASGI(answering(pieces)), http_scope())
        await called.until(lambda: called.body == b"one")
        sent_first.set()
        await called.task
        assert called.body == b"onetwo"
        assert called.is_complete

    run(scenario())


def test_write_comes_before_the_result() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        write(b"one ")
        write(b"two ")
        return [b"three"]

    assert of_call(app).body == b"one two three"


def test_the_head_waits_for_the_first_piece_that_is_not_empty() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        yield b""
        try:
            raise ValueError
        except ValueError:
            start_response("500 Oh no", TEXT, sys.exc_info())
        yield b"failed"

    called = of_call(app)
    assert (called.status, called.body) == (500, b"failed")


def test_exc_info_is_raised_once_the_head_is_out() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        yield b"begun"
        try:
            raise ValueError("late")
        except ValueError:
            start_response("500 Oh no", TEXT, sys.exc_info())

    with pytest.raises(ValueError, match="late"):
        of_call(app)


@pytest.mark.parametrize(
    "app",
    [
        lambda environ, start_response: [],
        lambda environ, start_response: [b"body"],
        answering([b"text", "text"]),
        answering(lambda: iter(["text"])),
        answering([], "200"[:2]),
        answering([], 200),  # type: ignore[arg-type]
        answering([], "200 OK", [("X", "a\nb")]),
        answering([], "200 OK", [("X", 1)]),
        answering([], "200 OK", [("X", "\u20ac")]),
    ],
)
def test_what_pep_3333_forbids_is_raised(app: Any) -> None:
    with pytest.raises(ResponseError):
        of_call(app)


def test_start_response_twice_is_raised() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    with pytest.raises(ResponseError, match="second time"):
        of_call(app)


@pytest.mark.parametrize("pieces", [[b"hello"], iter([b"hel", b"lo"])])
def test_head_has_no_body(pieces: Any) -> None:
    called = of_call(answering(pieces), http_scope("HEAD"))
    assert called.body == b""
    assert called.is_complete


def test_head_of_a_list_says_its_length_unless_it_is_empty() -> None:
    assert of_call(answering([b"abc"]), http_scope("HEAD")).headers == {b"content-length": b"3"}
    assert of_call(answering([]), http_scope("HEAD")).headers == {}


def test_head_ends_an_endless_response() -> None:
    def endless() -> Any:
        while True:
            yield b"more"

    assert of_call(answering(endless), http_scope("HEAD")).is_complete


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified")])
def test_nobody_waits_for_a_body_that_there_is_not(method: str, status: str) -> None:
    over, closed = threading.Event(), Flag()

    class Quiet:
        def __iter__(self) -> Any:
            over.wait(DEADLINE)
            yield b"at last"

        def close(self) -> None:
            over.set()
            closed.set()

    assert of_call(answering(Quiet(), status), http_scope(method)).is_complete
    closed.wait()


@pytest.mark.parametrize("how", ["leaves", "cancelled"])
def test_who_has_left_the_queue_is_not_called(how: str) -> None:
    paths, entered, release = [], Flag(), threading.Event()

    def app(environ: Any, start_response: Any) -> Any:
        paths.append(environ["PATH_INFO"])
        entered.set()
        release.wait(DEADLINE)
        start_response("200 OK", TEXT)
        return [b"done"]

    async def scenario() -> None:
        adapted = WSGIToASGI(app, threads=1)
        busy = AsgiCalled(adapted, http_scope(path="/busy"))
        busy.feed()
        await entered.reached()
        left = AsgiCalled(adapted, http_scope(path="/left"))
        left.feed()
        await left.until(lambda: left.asked)
        if how == "leaves":
            left.leave()
        else:
            left.task.cancel()
        await asyncio.wait([left.task])
        release.set()
        await busy.task
        assert left.sent == []

    run(scenario())
    assert paths == ["/busy"]


def test_empty_pieces_end_when_the_client_leaves() -> None:
    called, closed = Flag(), Flag()

    class Empty:
        def __iter__(self) -> Any:
            called.set()
            while True:
                yield b""

        def close(self) -> None:
            closed.set()

    async def scenario() -> None:
        one = AsgiCalled(WSGIToASGI(answering(Empty())), http_scope())
        one.feed()
        await called.reached()
        one.leave()
        await one.task
        assert one.sent == []

    run(scenario())
    closed.wait()


# Failures.


def test_an_error_before_the_head_reaches_the_server() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise LookupError("no view")

    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(app), http_scope())
        with pytest.raises(LookupError, match="no view"):
            await called.task
        assert called.sent == []

    run(scenario())


def test_an_error_behind_the_head_reaches_the_server() -> None:
    closing = Closing(b"one", LookupError("broken"))

    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(answering(closing)), http_scope())
        with pytest.raises(LookupError, match="broken"):
            await called.task
        assert called.body == b"one"
        assert not called.is_complete

    run(scenario())
    assert closing.closed.wait() == 1


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_what_would_end_the_server_is_wrapped(kind: type[BaseException]) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise kind

    with pytest.raises(RuntimeError, match=kind.__name__):
        of_call(app)


def test_close_is_called_at_the_end() -> None:
    closing = Closing(b"a", b"b")
    assert of_call(answering(closing)).body == b"ab"
    assert closing.closed.wait() == 2


def test_what_the_server_refuses_reaches_application_and_server() -> None:
    closing = Closing(*[b"x" * PIECE] * 10)

    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(answering(closing)), http_scope())
        called.send_error = ValueError("refused")
        with pytest.raises(ValueError, match="refused"):
            await called.task

    run(scenario())
    assert closing.closed.wait() < 10


# The request.


def test_the_body_is_read_on_demand() -> None:
    async def scenario() -> None:
        read_on = threading.Event()

        def app(environ: Any, start_response: Any) -> Any:
            assert environ["wsgi.input"].read(3) == b"abc"
            assert read_on.wait(DEADLINE)
            rest = environ["wsgi.input"].read()
            start_response("200 OK", TEXT)
            return [rest]

        called = AsgiCalled(WSGIToASGI(app), http_scope("POST"))
        called.feed(b"abc", more=True)
        called.feed(b"def", more=True)
        await called.until(lambda: called.asked == 1)
        read_on.set()
        await called.until(lambda: called.asked == 3)
        called.feed(b"ghi")
        await called.task
        assert called.body == b"defghi"
        assert called.asked == 3

    run(scenario())


def test_messages_without_a_body_are_passed_over() -> None:
    async def scenario() -> None:
        def app(environ: Any, start_response: Any) -> Any:
            data = environ["wsgi.input"].read()
            start_response("200 OK", TEXT)
            return [data]

        called = AsgiCalled(WSGIToASGI(app), http_scope("POST"))
        called.feed(more=True)
        called.feed(more=True)
        called.feed(b"at last", more=True)
        called.feed()
        await called.task
        assert called.body == b"at last"

    run(scenario())


def test_a_body_that_nobody_reads_is_not_asked_for() -> None:
    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(answering([b"no"])), http_scope("POST"))
        await called.task
        assert called.asked == 0

    run(scenario())


def test_the_lines_of_the_body() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        body = environ["wsgi.input"]
        return [b"|".join([body.readline(), body.readline(3), *body])]

    assert of_call(app, body=b"one\ntwo three\nfour\n").body == b"one\n|two| three\n|four\n"


class ByLength:
    """Reads as far as CONTENT_LENGTH says, and says so."""

    reads_by_length = True

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)
        assert "HTTP_TRANSFER_ENCODING" not in environ
        return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]


@pytest.mark.parametrize("size", [0, 5, 3_000_000, 10_000_000])
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_body_without_length_gets_one(size: int, version: str) -> None:
    headers = [(b"transfer-encoding", b"chunked")] if version == "1.1" else []

    async def scenario() -> None:
        scope = http_scope("POST", headers=headers, http_version=version)
        called = AsgiCalled(WSGIToASGI(ByLength()), scope)
        called.feed(bytes(size // 2), more=True)
        called.feed(bytes(size - size // 2))
        await called.task
        if size > 4 * 1024 * 1024:
            assert (called.status, b"too large" in called.body) == (413, True)
        else:
            assert (called.status, called.body) == (200, bytes(size))

    run(scenario())


def test_reading_raises_when_the_client_has_left() -> None:
    failed = Flag()

    def app(environ: Any, start_response: Any) -> Any:
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            failed.set(error)
            raise

    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(app), http_scope("POST"))
        called.feed(b"some", more=True)
        called.leave()
        await called.task
        assert called.sent == []

    run(scenario())
    assert isinstance(failed.wait(), ClientDisconnected)


# The client leaves.


def test_iteration_stops_when_the_client_leaves() -> None:
    closed = Flag()

    class Endless:
        def __iter__(self) -> Any:
            while True:
                yield b"x" * 1000

        def close(self) -> None:
            closed.set()

    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(answering(Endless())), http_scope())
        called.feed()
        await called.until(lambda: len(called.body) > 2000)
        called.leave()
        await called.task

    run(scenario())
    closed.wait()


def test_iteration_stops_when_send_raises_oserror() -> None:
    closing = Closing(*[b"x" * PIECE] * 100)

    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(answering(closing)), http_scope())
        called.send_error = OSError("gone")
        await called.task

    run(scenario())
    assert closing.closed.wait() < 100


def test_the_environ_tells_that_the_client_has_left() -> None:
    seen = Flag()

    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read()
        while not environ["bascule.client_disconnected"]():
            pass
        seen.set()
        start_response("200 OK", TEXT)
        return []

    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(app), http_scope("POST"))
        called.feed()
        await called.until(lambda: called.asked == 2)
        called.leave()
        await called.task

    run(scenario())
    assert seen.is_set


def test_a_call_that_is_cancelled_lets_its_thread_go() -> None:
    closing = Closing(*[b"x" * PIECE] * 100)

    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(answering(closing)), http_scope())
        called.gate.clear()
        await called.until(lambda: called.sent)
        called.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await called.task
        assert await asyncio.to_thread(closing.closed.wait) < 100

    run(scenario())


def test_a_call_that_is_cancelled_while_it_waits_for_a_thread_is_not_begun() -> None:
    begun, release, calls = Flag(), threading.Event(), []

    def app(environ: Any, start_response: Any) -> Any:
        calls.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/first":
            begun.set()
            assert release.wait(DEADLINE)
        start_response("200 OK", TEXT)
        return []

    async def scenario() -> None:
        adapter = WSGIToASGI(app, threads=1)
        first = AsgiCalled(adapter, http_scope(path="/first"))
        await begun.reached()
        second = AsgiCalled(adapter, http_scope(path="/second"))
        await asyncio.sleep(0)
        second.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second.task
        release.set()
        await first.task
        await call_asgi(adapter, http_scope(path="/third"))

    run(scenario())
    assert calls == ["/first", "/third"]


def test_a_call_that_is_cancelled_lets_its_file_go(tmp_path: Path) -> None:
    closed = Flag()
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        wrapper = environ["wsgi.file_wrapper"](path.open("rb"))

        def close() -> None:
            wrapper.filelike.close()
            closed.set()

        wrapper.close = close
        return wrapper

    async def scenario() -> None:
        scope = http_scope(extensions={"http.response.zerocopysend": {}})
        called = AsgiCalled(WSGIToASGI(app), scope)
        called.gate.clear()
        await called.until(lambda: called.sent)
        assert not closed.is_set
        called.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await called.task
        await closed.reached()

    run(scenario())


def test_the_end_of_the_body_comes_while_the_response_is_streamed() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        yield b"begun "
        yield environ["wsgi.input"].read() + b"."

    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(app), http_scope("POST"))
        await called.until(lambda: called.asked == 1 and called.sent)
        called.feed(b"a piece", more=True)
        called.feed()
        await called.task
        assert called.body == b"begun a piece."

    run(scenario())


def test_an_answer_is_not_held_up_by_a_body_that_comes_later() -> None:
    """Both sides stream: the client sends the next piece when it has the answer to the last."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        while data := environ["wsgi.input"].read(1):
            yield data.upper()

    async def scenario() -> None:
        called = AsgiCalled(WSGIToASGI(app), http_scope("POST"))
        for number, letter in enumerate(b"abcdefgh" * 8):
            called.feed(bytes([letter]), more=True)
            await called.until(lambda number=number: len(called.body) > number)
        called.feed()
        await called.task
        assert called.body == b"ABCDEFGH" * 8

    run(scenario())


def test_an_error_of_receive_is_nothing_to_who_has_not_asked() -> None:
    class Failing(AsgiCalled):
        async def receive(self) -> Any:
            await super().receive()
            raise ValueError("not for you")

    async def scenario() -> None:
        failed = threading.Event()

        def pieces() -> Any:
            yield b"one"
            assert failed.wait(DEADLINE)
            yield b"two"

        called = Failing(WSGIToASGI(answering(pieces)), http_scope())
        called.feed()
        await called.until(lambda: called.asked == 1)
        failed.set()
        await called.task
        assert called.is_complete

    run(scenario())


def test_an_error_of_receive_reaches_who_reads() -> None:
    class Failing(AsgiCalled):
        async def receive(self) -> Any:
            raise ValueError("no body")

    def app(environ: Any, start_response: Any) -> Any:
        with pytest.raises(ValueError, match="no body"):
            environ["wsgi.input"].read()
        raise LookupError

    async def scenario() -> None:
        with pytest.raises(ValueError, match="no body"):
            await Failing(WSGIToASGI(app), http_scope("POST")).task

    run(scenario())


# Backpressure and concurrency.


def test_the_thread_waits_for_a_slow_client() -> None:
    async def scenario() -> None:
        closing = Closing(*[b"x" * 8192] * 64)
        called = AsgiCalled(WSGIToASGI(answering(closing)), http_scope())
        called.gate.clear()
        await called.until(lambda: called.sent)
        held = closing.taken
        called.gate.set()
        await called.task
        assert held <= RESPONSE_HIGH_WATER // 8192
        assert len(called.body) == 64 * 8192

    run(scenario())


def test_a_slow_request_holds_up_no_other() -> None:
    release = threading.Event()

    def app(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/slow":
            assert release.wait(DEADLINE)
        start_response("200 OK", TEXT)
        return [environ["PATH_INFO"].encode()]

    async def scenario() -> None:
        adapter = WSGIToASGI(app, threads=2)
        slow = AsgiCalled(adapter, http_scope(path="/slow"))
        for number in range(10):
            called = await call_asgi(adapter, http_scope(path=f"/{number}"))
            assert called.body == b"/%d" % number
        release.set()
        await slow.task
        assert slow.body == b"/slow"

    run(scenario())


def test_no_more_threads_than_asked_for() -> None:
    together = threading.Barrier(3)
    names = set()

    def app(environ: Any, start_response: Any) -> Any:
        together.wait(DEADLINE)
        names.add(threading.current_thread().name)
        start_response("200 OK", TEXT)
        return []

    async def scenario() -> None:
        adapter = WSGIToASGI(app, threads=3)
        await asyncio.gather(*(call_asgi(adapter) for _ in range(9)))

    run(scenario())
    assert len(names) == 3


def test_threads_must_be_positive() -> None:
    with pytest.raises(ValueError, match="threads"):
        WSGIToASGI(answering([]), threads=0)


# Context variables.

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_context_variables_go_in_and_do_not_leak() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        before = variable.get()
        variable.set("changed")

        def pieces() -> Any:
            yield f"{before} {variable.get()}".encode()

        start_response("200 OK", TEXT)
        return pieces()

    async def scenario() -> None:
        adapter = WSGIToASGI(app, threads=1)
        assert (await call_asgi(adapter)).body == b"unset changed"
        variable.set("outer")
        assert (await call_asgi(adapter)).body == b"outer changed"
        assert variable.get() == "outer"

    run(scenario())


# Files and hints.


def with_file(path: Path, offset: int = 0, headers: Any = ()) -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        file = path.open("rb")
        file.seek(offset)
        start_response("200 OK", list(headers))
        return environ["wsgi.file_wrapper"](file)

    return app


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


def test_a_file_is_iterated_where_the_server_offers_nothing(file: Path) -> None:
    assert of_call(with_file(file)).body == b"0123456789"


def test_the_stop_of_the_server_can_be_asked_for() -> None:
    event = threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [str(environ["bascule.stopping"] is event).encode()]

    scope = http_scope(extensions={"bascule.stopping": {"event": event}})
    assert of_call(app, scope).body == b"True"


def test_a_file_goes_by_pathsend(file: Path) -> None:
    called = of_call(with_file(file), http_scope(extensions={"http.response.pathsend": {}}))
    assert called.sent[1] == {"type": "http.response.pathsend", "path": str(file)}
    assert called.headers == {b"content-length": b"10"}


@pytest.mark.parametrize(
    "app_of",
    [
        lambda file: with_file(file, 3),
        lambda file: with_file(file, 0, [("Content-Length", "7")]),
    ],
)
def test_a_part_of_a_file_does_not_go_by_pathsend(file: Path, app_of: Any) -> None:
    called = of_call(app_of(file), http_scope(extensions={"http.response.pathsend": {}}))
    assert b"3456" in called.body


def test_a_part_of_a_file_goes_by_zerocopysend(file: Path) -> None:
    read = []

    async def scenario() -> None:
        scope = http_scope(extensions={"http.response.zerocopysend": {}})
        called = AsgiCalled(WSGIToASGI(with_file(file, 3)), scope)
        called.gate.clear()
        await called.until(lambda: called.sent)
        called.gate.set()
        await called.until(lambda: len(called.sent) == 2)
        message = called.sent[1]
        read.append((message["offset"], message["count"]))
        await called.task
        assert message["file"].closed
        assert called.headers == {b"content-length": b"7"}

    run(scenario())
    assert read == [(3, 7)]


def test_a_file_that_the_server_cannot_open_is_an_error(file: Path) -> None:
    async def scenario() -> None:
        scope = http_scope(extensions={"http.response.pathsend": {}})
        called = AsgiCalled(WSGIToASGI(with_file(file)), scope)
        called.send_error = FileNotFoundError(2, "gone")
        with pytest.raises(FileNotFoundError):
            await called.task

    run(scenario())


def test_early_hints_where_the_server_has_them() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload"), ("X", "y")])
        start_response("200 OK", TEXT)
        return []

    called = of_call(app, http_scope(extensions={"http.response.early_hint": {}}))
    assert called.sent[0] == {
        "type": "http.response.early_hint",
        "links": [b"</a.css>; rel=preload"],
    }
    with pytest.raises(KeyError):
        of_call(app)


# The environ.


def test_the_environ_of_a_scope() -> None:
    environ = scope_environ(
        http_scope(
            "POST",
            "/root/caf\u00e9",
            raw_path=b"/root/caf%C3%A9",
            root_path="/root",
            scheme="https",
            query_string=b"a=%20",
            headers=[
                (b"host", b"example"),
                (b"content-type", b"text/plain"),
                (b"content-length", b"3"),
                (b"x-more", b"1"),
                (b"x-more", b"2"),
                (b"cookie", b"a=1"),
                (b"cookie", b"b=2"),
                (b"x_under", b"dropped"),
                (b"proxy", b"dropped"),
            ],
        ),
        True,
    )
    assert {key: environ[key] for key in environ if not key.startswith(("wsgi.", "asgi."))} == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/root",
        "PATH_INFO": "/caf\u00c3\u00a9",
        "QUERY_STRING": "a=%20",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTPS": "on",
        "HTTP_HOST": "example",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "3",
        "HTTP_X_MORE": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
    }
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["wsgi.input_terminated"] is True


@pytest.mark.parametrize(
    ("path", "raw_path", "root_path", "script_name", "path_info"),
    [
        ("/a", b"/a", "", "", "/a"),
        ("/api/a", b"/api/a", "/api", "/api", "/a"),
        ("/api/a", b"/api/a", "/api/", "/api", "/a"),
        ("/api", b"/api", "/api", "/api", ""),
        ("/apis", b"/apis", "/api", "/api", "/apis"),
        ("/a", b"/a", "/api", "/api", "/a"),
        # Bytes that are not UTF-8 arrive if raw_path has them.
        ("/\ufffd", b"/%FF", "", "", "/\xff"),
        ("/r/\ufffd", b"/%FF", "/r", "/r", "/\xff"),
        # raw_path is left over from before something changed the path.
        ("/\u00e9", b"/old/%C3%A9", "", "", "/\xc3\xa9"),
        ("/\u00e9/x", None, "/\u00e9", "/\xc3\xa9", "/x"),
        ("/a b", b"/a%20b", "", "", "/a b"),
    ],
)
def test_paths(
    path: str, raw_path: bytes | None, root_path: str, script_name: str, path_info: str
) -> None:
    environ = scope_environ(http_scope(path=path, raw_path=raw_path, root_path=root_path), True)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)


def test_a_scope_with_the_least() -> None:
    scope = http_scope()
    for key in ("client", "server", "extensions", "raw_path", "root_path"):
        del scope[key]
    environ = scope_environ(scope, False)
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("localhost", "80")
    assert "REMOTE_ADDR" not in environ


def test_wsgiref_validates_it() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        body = environ["wsgi.input"].read(100)
        start_response("200 OK", TEXT)
        return [body]

    scope = http_scope("POST", headers=[(b"content-length", b"4")])
    assert of_call(validator(app), scope, b"body").body == b"body"
    gc.collect()


# Everything else.


def test_lifespan_is_answered_and_ends_the_threads() -> None:
    async def scenario() -> None:
        names = []

        def app(environ: Any, start_response: Any) -> Any:
            names.append(threading.current_thread())
            start_response("200 OK", TEXT)
            return []

        adapter = WSGIToASGI(app)
        incoming: asyncio.Queue[Any] = asyncio.Queue()
        outgoing: asyncio.Queue[Any] = asyncio.Queue()
        task = asyncio.create_task(adapter({"type": "lifespan"}, incoming.get, outgoing.put))
        incoming.put_nowait({"type": "lifespan.startup"})
        assert await outgoing.get() == {"type": "lifespan.startup.complete"}
        await call_asgi(adapter)
        incoming.put_nowait({"type": "lifespan.shutdown"})
        assert await outgoing.get() == {"type": "lifespan.shutdown.complete"}
        await task
        await asyncio.to_thread(names[0].join, DEADLINE)
        assert not names[0].is_alive()

    run(scenario())


def test_one_loop_after_another() -> None:
    adapter = WSGIToASGI(answering([b"yes"]))
    for _ in range(3):
        assert run(call_asgi(adapter)).body == b"yes"
    assert len(adapter._pools) == 1


def test_importing_it_imports_no_server() -> None:
    code = (
        "import sys; from bascule.adapters import WSGIToASGI, ASGIToWSGI; "
        "print([m for m in sys.modules if m.startswith(('bascule.', 'uvloop'))])"
    )
    found = eval(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    )
    assert {name.split(".")[1] for name in found} <= {
        "adapters",
        "errors",
        "interfaces",
        "pep3333",
        "speed",
        "types",
    }
    assert {name for name in found if name.startswith("bascule.interfaces.")} == {
        "bascule.interfaces.asgi",
        "bascule.interfaces.asgi.lifespan",
        "bascule.interfaces.leaving",
        "bascule.interfaces.wsgi",
        "bascule.interfaces.wsgi.pool",
        "bascule.interfaces.wsgi.input",
    }


def reading_on(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    return iter(lambda: environ["wsgi.input"].read(5), b"")


def test_a_body_without_length_that_stops_coming_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client may wait for an answer before it continues."""
    monkeypatch.setattr(threaded_call, "PATIENCE", 0.05)

    async def scenario() -> None:
        chunked = http_scope("POST", headers=[(b"transfer-encoding", b"chunked")])
        called = AsgiCalled(WSGIToASGI(reading_on), chunked)
        called.feed(b"first", more=True)
        await called.until(lambda: called.body == b"first")
        called.feed(b"again", more=True)
        await called.until(lambda: called.body == b"firstagain")
        called.feed(b"")
        await called.task
        assert called.is_complete

    run(scenario())


@pytest.mark.parametrize("patience", [0.05, DEADLINE])
def test_a_call_that_is_cancelled_receives_no_more(
    patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threaded_call, "PATIENCE", patience)
    reached = Flag()

    def app(environ: Any, start_response: Any) -> Any:
        reached.set()
        return reading_on(environ, start_response)

    async def scenario() -> None:
        chunked = http_scope("POST", headers=[(b"transfer-encoding", b"chunked")])
        called = AsgiCalled(WSGIToASGI(app), chunked)
        await called.until(lambda: called.asked)
        if patience < DEADLINE:
            await reached.reached()
        called.task.cancel()
        await asyncio.wait([called.task])
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())
