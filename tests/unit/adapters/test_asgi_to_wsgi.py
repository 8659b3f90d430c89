"""ASGIToWSGI, driven as a WSGI server drives it."""

import asyncio
import contextvars
import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

from bascule.adapters import ASGIToWSGI
from bascule.adapters.loop_call import RESPONSE_HIGH_WATER
from bascule.adapters.scope import environ_scope
from bascule.errors import ClientDisconnected, ResponseError, StartupError
from support.adapters import PIECE, WsgiCalled, environ_of
from support.asgi import app, body, read_body, respond, start
from support.flag import DEADLINE, Flag

TEXT = [(b"content-type", b"text/plain")]


@pytest.fixture
def adapt() -> Iterator[Any]:
    """Make adapters; at the end their loops must end."""
    made = []

    def make(application: Any, **options: Any) -> ASGIToWSGI:
        made.append(ASGIToWSGI(application, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert not [t for t in threading.enumerate() if t.name == "asgi-loop"]


# The response.


def test_a_whole_response_is_a_list(adapt: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        await respond(send, b"hello", 201, [(b"x-one", b"1"), (b"connection", b"close")])

    called = WsgiCalled(adapt(application), environ_of())
    assert called.status == "201 Created"
    assert called.headers == [("x-one", "1")]
    assert called.result == [b"hello"]


def test_pieces_leave_as_they_come(adapt: Any) -> None:
    taken = Flag()

    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"one", more=True)
        await taken.reached()
        await body(send, b"", more=True)
        await body(send, b"two", more=True)
        await body(send)

    called = WsgiCalled(adapt(application), environ_of())
    pieces = iter(called.result)
    assert next(pieces) == b"one"
    taken.set()
    assert list(pieces) == [b"two"]


def test_send_waits_for_a_slow_client(adapt: Any) -> None:
    sent = []

    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send)
        for number in range(20):
            sent.append(number)
            await body(send, b"x" * PIECE, more=True)
        await body(send)

    called = WsgiCalled(adapt(application), environ_of())
    pieces = iter(called.result)
    most = 0
    for taken, _ in enumerate(pieces):
        most = max(most, len(sent) - taken)
    assert taken == 19
    assert most <= RESPONSE_HIGH_WATER // PIECE + 2


def test_trailers_are_left_out(adapt: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send, trailers=True)
        await body(send, b"one", more=True)
        await body(send, b"two")
        await send({"type": "http.response.trailers", "headers": [(b"a", b"b")]})

    assert WsgiCalled(adapt(application), environ_of()).rest() == b"onetwo"


def test_unknown_status(adapt: Any) -> None:
    application = app(lambda receive, send: respond(send, b"", 299))
    assert WsgiCalled(adapt(application), environ_of()).status.startswith("299 ")


# The request.


def test_the_body_arrives_in_pieces(adapt: Any) -> None:
    messages = []

    @app
    async def application(receive: Any, send: Any) -> None:
        messages.append(await receive())
        while messages[-1]["more_body"]:
            messages.append(await receive())
        await respond(send)

    data = bytes(range(256)) * 1024
    WsgiCalled(adapt(application), environ_of("POST", body=data)).rest()
    assert b"".join(message["body"] for message in messages) == data
    assert max(len(message["body"]) for message in messages) == PIECE


@pytest.mark.parametrize(
    "environ",
    [
        environ_of(),
        environ_of("POST", body=b""),
        environ_of(SERVER_PROTOCOL="HTTP/2"),
        environ_of(**{"SERVER_PROTOCOL": "HTTP/2", "wsgi.input_terminated": True}),
    ],
)
def test_no_body(adapt: Any, environ: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        await respond(send, b"yes")

    assert WsgiCalled(adapt(application), environ).rest() == b"yes"


def test_a_body_without_length_is_read_to_its_end(adapt: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        await respond(send, await read_body(receive))

    environ = environ_of(
        "POST",
        **{
            "wsgi.input": io.BytesIO(b"chunks"),
            "wsgi.input_terminated": True,
            "HTTP_TRANSFER_ENCODING": "chunked",
        },
    )
    assert WsgiCalled(adapt(application), environ).rest() == b"chunks"


def test_not_a_byte_beyond_the_length_is_read(adapt: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        await respond(send, await read_body(receive))

    source = io.BytesIO(b"bodyGET /")
    environ = environ_of("POST", body=b"body", **{"wsgi.input": source})
    assert WsgiCalled(adapt(application), environ).rest() == b"body"
    assert source.read() == b"GET /"


def test_the_body_is_read_in_the_calling_thread_when_it_is_asked_for(adapt: Any) -> None:
    reads = []

    class Input(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            reads.append(threading.current_thread())
            return super().read1(size)

    @app
    async def application(receive: Any, send: Any) -> None:
        assert reads == []
        await receive()
        assert len(reads) == 1
        await start(send)
        await body(send, b"x", more=True)
        await receive()
        await body(send)

    data = b"x" * PIECE * 3
    environ = environ_of("POST", body=data, **{"wsgi.input": Input(data)})
    WsgiCalled(adapt(application), environ).rest()
    assert reads == [threading.current_thread()] * 2


@pytest.mark.parametrize("short", [io.BytesIO(b"par"), None])
def test_a_body_that_breaks_off_is_a_disconnect(adapt: Any, short: Any) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError

    last = Flag()

    @app
    async def application(receive: Any, send: Any) -> None:
        message = await receive()
        if message["type"] == "http.request":
            message = await receive()
        last.set(message)

    environ = environ_of("POST", body=b"partial", **{"wsgi.input": short or Broken()})
    with pytest.raises(ClientDisconnected):
        WsgiCalled(adapt(application), environ)
    assert last.wait() == {"type": "http.disconnect"}


# The end.


def test_closing_early_is_a_disconnect(adapt: Any) -> None:
    told, refused = Flag(), Flag()

    @app
    async def application(receive: Any, send: Any) -> None:
        await receive()
        await start(send)
        await body(send, b"one", more=True)
        told.set(await receive())
        try:
            await body(send, b"two", more=True)
        except OSError:
            refused.set()

    called = WsgiCalled(adapt(application), environ_of())
    assert next(iter(called.result)) == b"one"
    called.close()
    assert told.wait() == {"type": "http.disconnect"}
    refused.wait()


def test_closing_early_ends_a_send_that_waits(adapt: Any) -> None:
    refused = Flag()

    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send)
        try:
            while True:
                await body(send, b"x" * PIECE, more=True)
        except OSError:
            refused.set()

    called = WsgiCalled(adapt(application), environ_of())
    next(iter(called.result))
    called.close()
    refused.wait()


def test_a_complete_response_is_a_disconnect_too(adapt: Any) -> None:
    told = Flag()

    @app
    async def application(receive: Any, send: Any) -> None:
        await receive()
        await respond(send, b"done")
        told.set(await receive())

    assert WsgiCalled(adapt(application), environ_of()).rest() == b"done"
    assert told.wait() == {"type": "http.disconnect"}


def test_what_is_done_behind_the_response_goes_on(adapt: Any) -> None:
    release, done = Flag(), Flag()

    @app
    async def application(receive: Any, send: Any) -> None:
        await respond(send, b"answer")
        await release.reached()
        done.set()

    assert WsgiCalled(adapt(application), environ_of()).rest() == b"answer"
    release.set()
    done.wait()


def test_head_is_answered_by_the_head(adapt: Any) -> None:
    """The body is dropped, and work after the response continues."""
    done = Flag()

    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send, 203)
        await receive()
        assert await receive() == {"type": "http.disconnect"}
        await body(send, b"some", more=True)
        await body(send, b"thing")
        done.set()

    called = WsgiCalled(adapt(application), environ_of("HEAD"))
    assert called.status == "203 Non-Authoritative Information"
    assert called.rest() == b""
    done.wait()


def test_an_endless_response_to_head_ends(adapt: Any) -> None:
    refused = Flag()

    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send)
        try:
            while True:
                await body(send, b"x", more=True)
        except OSError:
            refused.set()
            raise

    assert WsgiCalled(adapt(application), environ_of("HEAD")).rest() == b""
    refused.wait()


# Failures.


def test_an_error_before_the_head_reaches_the_server(adapt: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send)
        raise LookupError("no view")

    with pytest.raises(LookupError, match="no view"):
        WsgiCalled(adapt(application), environ_of())


def test_an_error_behind_the_head_reaches_the_server(adapt: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"one", more=True)
        raise LookupError("broken")

    called = WsgiCalled(adapt(application), environ_of())
    pieces = iter(called.result)
    assert next(pieces) == b"one"
    with pytest.raises(LookupError, match="broken"):
        next(pieces)


async def nothing(receive: Any, send: Any) -> None:
    pass


async def half(receive: Any, send: Any) -> None:
    await start(send)
    await body(send, b"half", more=True)


async def twice(receive: Any, send: Any) -> None:
    await start(send)
    await start(send)


async def headless(receive: Any, send: Any) -> None:
    await body(send)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (nothing, ResponseError),
        (half, ResponseError),
        (twice, RuntimeError),
        (headless, RuntimeError),
    ],
)
def test_a_response_that_is_none(adapt: Any, function: Any, kind: type[Exception]) -> None:
    adapter = adapt(app(function))
    with pytest.raises(kind):
        WsgiCalled(adapter, environ_of()).rest()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_would_end_the_loop_is_wrapped(adapt: Any, kind: type[BaseException]) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or scope["path"] == "/exit":
            raise kind
        await respond(send, b"still here")

    adapter = adapt(application)
    with pytest.raises(RuntimeError, match=kind.__name__):
        WsgiCalled(adapter, environ_of(path="/exit"))
    assert WsgiCalled(adapter, environ_of()).rest() == b"still here"


def test_a_server_that_refuses_the_head_is_a_disconnect(adapt: Any) -> None:
    refused = Flag()

    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send)
        try:
            while True:
                await body(send, b"x" * PIECE, more=True)
        except OSError:
            refused.set()

    def start_response(*arguments: Any) -> Any:
        raise ValueError("no such head")

    with pytest.raises(ValueError, match="no such head"):
        adapt(application)(environ_of(), start_response)
    refused.wait()


def test_closing_while_requests_come(adapt: Any) -> None:
    """Every one is answered, or told that it is not."""
    adapter = adapt(app(lambda receive, send: respond(send, b"yes")))

    def call(_: int) -> bytes:
        try:
            return WsgiCalled(adapter, environ_of()).rest()
        except (RuntimeError, OSError) as error:
            return str(error).encode()

    with ThreadPoolExecutor(4) as pool:
        results = pool.map(call, range(200))
        for _ in range(10):
            adapter.close()
        found = set(results)
    assert b"yes" in found
    assert found <= {
        b"yes",
        b"the application was cancelled",
        b"the loop of this ASGI application has been closed",
    }


# Concurrency.


def test_requests_run_together_on_one_loop(adapt: Any) -> None:
    loops = set()
    waiting = []

    @app
    async def application(receive: Any, send: Any) -> None:
        loops.add(asyncio.get_running_loop())
        event = asyncio.Event()
        waiting.append(event)
        if len(waiting) == 5:
            for one in waiting:
                one.set()
        await event.wait()
        await respond(send, b"met")

    adapter = adapt(application)
    with ThreadPoolExecutor(5) as pool:
        results = list(pool.map(lambda _: WsgiCalled(adapter, environ_of()).rest(), range(5)))
    assert results == [b"met"] * 5
    assert len(loops) == 1


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_context_variables_go_in_and_do_not_leak(adapt: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        found = variable.get()
        variable.set("changed")
        await respond(send, found.encode())

    adapter = adapt(application)
    assert WsgiCalled(adapter, environ_of()).rest() == b"unset"
    called = contextvars.copy_context().run(
        lambda: (variable.set("outer"), WsgiCalled(adapter, environ_of()))[1]
    )
    assert called.rest() == b"outer"
    assert WsgiCalled(adapter, environ_of()).rest() == b"unset"


def test_the_lifespan_is_not_in_the_context_of_the_first_request(adapt: Any) -> None:
    found = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        found.append(variable.get())
        if scope["type"] == "lifespan":
            raise LookupError
        await respond(send)

    adapter = adapt(application)
    contextvars.copy_context().run(
        lambda: (variable.set("first"), WsgiCalled(adapter, environ_of()))
    )
    assert found == ["unset", "first"]


# Lifespan.


class Living:
    """An application with a lifespan."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await respond(send, scope["state"]["name"])
            return
        assert (await receive())["type"] == "lifespan.startup"
        self.events.append("startup")
        scope["state"]["name"] = b"from startup"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        self.events.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})


def test_lifespan_around_the_requests(adapt: Any) -> None:
    application = Living()
    adapter = adapt(application)
    assert application.events == []
    for _ in range(3):
        assert WsgiCalled(adapter, environ_of()).rest() == b"from startup"
    assert application.events == ["startup"]
    adapter.close()
    assert application.events == ["startup", "shutdown"]


def test_the_first_requests_start_one_lifespan(adapt: Any) -> None:
    application = Living()
    adapter = adapt(application)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: WsgiCalled(adapter, environ_of()).rest(), range(8)))
    assert application.events == ["startup"]


def test_a_failed_startup_reaches_the_server_and_is_tried_again(adapt: Any) -> None:
    answers = iter(["lifespan.startup.failed", "lifespan.startup.complete"])

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await respond(send, b"at last")
            return
        await receive()
        await send({"type": next(answers), "message": "no database"})
        await receive()

    adapter = adapt(application)
    with pytest.raises(StartupError, match="no database"):
        WsgiCalled(adapter, environ_of())
    assert WsgiCalled(adapter, environ_of()).rest() == b"at last"


def test_a_failed_shutdown_is_logged(adapt: Any, caplog: Any) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await respond(send, b"up")
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "disk full"})

    adapter = adapt(application)
    WsgiCalled(adapter, environ_of()).rest()
    adapter.close()
    assert "disk full" in caplog.text


def test_raising_in_startup_is_logged(adapt: Any, caplog: Any) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            assert "state" not in scope
            await respond(send, b"up")
            return
        await receive()
        raise LookupError("no settings")

    assert WsgiCalled(adapt(application), environ_of()).rest() == b"up"
    assert "no settings" in caplog.text


def test_it_serves_again_after_close(adapt: Any) -> None:
    application = Living()
    adapter = adapt(application)
    for _ in range(2):
        WsgiCalled(adapter, environ_of()).rest()
        adapter.close()
    assert application.events == ["startup", "shutdown"] * 2


def test_shutdown_at_the_end_of_the_process(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "sys.path[:0] = sys.argv[1:]\n"
        "from bascule.adapters import ASGIToWSGI\n"
        "from support.adapters import WsgiCalled, environ_of\n"
        "async def app(scope, receive, send):\n"
        "    if scope['type'] == 'lifespan':\n"
        "        await receive()\n"
        "        await send({'type': 'lifespan.startup.complete'})\n"
        "        await receive()\n"
        "        print('shutdown')\n"
        "        await send({'type': 'lifespan.shutdown.complete'})\n"
        "        return\n"
        "    await send({'type': 'http.response.start', 'status': 200})\n"
        "    await send({'type': 'http.response.body', 'body': b'x'})\n"
        "print(WsgiCalled(ASGIToWSGI(app), environ_of()).rest())\n"
    )
    tests = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, str(script), tests], capture_output=True, text=True, timeout=DEADLINE
    )
    assert (done.stdout.split(), done.stderr) == (["b'x'", "shutdown"], "")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_a_loop_of_its_own(adapt: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        await respond(send, str(os.getpid()).encode())

    adapter = adapt(application)
    assert WsgiCalled(adapter, environ_of()).rest() == str(os.getpid()).encode()
    pid = os.fork()
    if pid == 0:
        try:
            ok = WsgiCalled(adapter, environ_of()).rest() == str(os.getpid()).encode()
            adapter.close()
        finally:
            os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert WsgiCalled(adapter, environ_of()).rest() == str(os.getpid()).encode()


# Files and hints.


def test_pathsend_goes_by_the_file_wrapper(adapt: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")

    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.pathsend", "path": str(file)})

    environ = environ_of(**{"wsgi.file_wrapper": FileWrapper})
    called = WsgiCalled(adapt(application, pathsend=True), environ)
    assert type(called.result) is FileWrapper
    assert called.headers == [("content-length", "10")]
    assert called.rest() == b"0123456789"


def test_pathsend_is_offered_where_it_is_wanted_and_possible() -> None:
    """Middleware that compresses does not see what goes by it."""
    able = environ_of(**{"wsgi.file_wrapper": FileWrapper})
    assert "http.response.pathsend" in environ_scope(able, None, True)["extensions"]
    assert "http.response.pathsend" not in environ_scope(able, None)["extensions"]
    assert "http.response.pathsend" not in environ_scope(environ_of(), None, True)["extensions"]


def test_the_stop_of_the_server_can_be_asked_for_and_waited_for(adapt: Any) -> None:
    event = threading.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        stopping = scope["extensions"]["bascule.stopping"]
        before = stopping["is_set"]()
        event.set()
        await stopping["wait"]()
        await respond(send, f"{before} {stopping['event'].is_set()}".encode())

    called = WsgiCalled(adapt(application), environ_of(**{"bascule.stopping": event}))
    assert called.rest() == b"False True"


def test_early_hints(adapt: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</a.css>"]})
        await respond(send, b"")

    hints: list[Any] = []
    WsgiCalled(adapt(application), environ_of(**{"wsgi.early_hints": hints.append}))
    assert hints == [[("Link", "</a.css>")]]


# The scope.


def test_the_scope_of_an_environ() -> None:
    scope = environ_scope(
        environ_of(
            "post",
            "/caf\u00c3\u00a9 x",
            b"abc",
            SCRIPT_NAME="/root",
            QUERY_STRING="a=%20",
            CONTENT_TYPE="text/plain",
            HTTP_X_MORE="1,2",
            SERVER_PROTOCOL="HTTP/2.0",
            **{"wsgi.url_scheme": "https"},
        ),
        {"a": 1},
    )
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",
        "method": "POST",
        "scheme": "https",
        "path": "/root/caf\u00e9 x",
        "raw_path": b"/root/caf%C3%A9%20x",
        "query_string": b"a=%20",
        "root_path": "/root",
        "headers": [
            (b"host", b"testserver"),
            (b"content-length", b"3"),
            (b"content-type", b"text/plain"),
            (b"x-more", b"1,2"),
        ],
        "client": ("127.0.0.1", 40000),
        "server": ("testserver", 80),
        "extensions": {},
        "state": {"a": 1},
    }


def test_raw_path_is_what_the_client_sent_where_the_server_tells() -> None:
    scope = environ_scope(environ_of(path="/a/b", RAW_URI="/a%2Fb?x"), None)
    assert scope["raw_path"] == b"/a%2Fb"
    # Something has changed the path since.
    scope = environ_scope(environ_of(path="/b", RAW_URI="/a%2Fb?x"), None)
    assert scope["raw_path"] == b"/b"


def test_an_empty_field_is_one_all_the_same() -> None:
    headers = environ_scope(environ_of(HTTP_X_EMPTY="", CONTENT_TYPE=""), None)["headers"]
    assert headers == [(b"host", b"testserver"), (b"x-empty", b"")]


def test_a_scope_with_the_least() -> None:
    environ = environ_of(REMOTE_ADDR="")
    del environ["REMOTE_PORT"]
    assert environ_scope(environ, None)["client"] is None


def test_wsgiref_validates_it(adapt: Any) -> None:
    @app
    async def application(receive: Any, send: Any) -> None:
        data = await read_body(receive)
        await start(send, 200, TEXT)
        await body(send, data, more=True)
        await body(send, data)

    environ = environ_of("POST", body=b"body")
    called = WsgiCalled(validator(adapt(application)), environ)
    assert called.rest() == b"bodybody"


def test_what_an_application_iterates_over_is_closed_when_the_client_leaves(adapt: Any) -> None:
    closed = Flag()

    async def pieces() -> Any:
        try:
            while True:
                yield b"x" * PIECE
        finally:
            closed.set()

    @app
    async def application(receive: Any, send: Any) -> None:
        await start(send)
        async for piece in pieces():
            try:
                await body(send, piece, more=True)
            except OSError as error:
                raise LookupError from error

    called = WsgiCalled(adapt(application), environ_of())
    next(iter(called.result))
    called.close()
    closed.wait()
