"""Both interfaces over HTTP/2: requests, bodies, resets, deadlines, WebSockets, the end."""

import ast
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h2.errors
import httpx
import pytest
from only_http1 import ONLY_HTTP1

from bascule.adapters import ASGIToWSGI
from bascule.observability.access import AccessLog
from support import http2_frames as frames
from support import proxy
from support.asgi import read_body, respond, start
from support.certificates import Certificates
from support.flag import DEADLINE, Flag
from support.http2_socket import Http2SocketClient
from support.http2_websocket import Http2RawWebSocket
from support.http2_wire import describe
from support.inprocess import Served
from support.websocket_frames import CLOSE, TEXT, client_frame, server_frames
from support.wsgi_websocket import close, text

LARGE = 3_000_000


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    body = await read_body(receive)
    await start(send, 200, [(b"x-version", scope["http_version"].encode())])
    await send({"type": "http.response.body", "body": scope["path"].encode() + b" " + body})


def wsgi_echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("X-Version", environ["SERVER_PROTOCOL"])])
    return [environ["PATH_INFO"].encode() + b" " + body]


Serve = Callable[..., Served]


@pytest.fixture
def serve2(request: pytest.FixtureRequest, loop_kind: str) -> Iterator[Serve]:
    """Serve an application, by the interface that its name begins with; clients speak HTTP/2."""
    made: list[Served] = []

    def begin(app: Any, **options: Any) -> Served:
        interface = "wsgi" if app.__name__.startswith("wsgi") else "asgi3"
        settings = {"lifespan": "off", "interface": interface, **options}
        made.append(Served(app, loop_kind, Http2SocketClient, **settings))
        return made[-1].start()

    yield begin
    for one in made:
        one.close()


both = pytest.mark.parametrize("app", [echo, wsgi_echo], ids=["asgi", "wsgi"])


@both
def test_a_request_and_its_body(serve2: Serve, app: Any) -> None:
    client = serve2(app).connect()
    answer = client.request("POST", "/a?b", [(b"content-length", b"5")], b"hello")
    assert (answer.status, answer.body) == (200, b"/a hello")
    assert answer.fields[b"x-version"] == (b"2" if app is echo else b"HTTP/2")
    assert answer.fields[b"server"] == b"bascule"
    assert b"date" in answer.fields
    assert client.request("GET", "/b").body == b"/b "


@both
def test_many_requests_at_once(serve2: Serve, app: Any) -> None:
    client = serve2(app).connect()
    streams = [client.ask("GET", f"/{number}") for number in range(100)]
    bodies = [client.answer(stream).body for stream in streams]
    assert bodies == [b"/%d " % number for number in range(100)]


@both
def test_large_bodies_both_ways(serve2: Serve, app: Any) -> None:
    client = serve2(app).connect()
    body = bytes(range(256)) * (LARGE // 256)
    assert client.request("POST", "/", [], body).body == b"/ " + body


@both
def test_large_bodies_at_the_same_time(serve2: Serve, app: Any) -> None:
    client = serve2(app).connect()
    streams = [client.ask("POST", f"/{number}", end=False) for number in range(4)]
    for stream in streams:
        client.upload(stream, b"x" * 300_000, end=False)
    for stream in streams:
        client.upload(stream, b"y")
    for number, stream in enumerate(streams):
        assert client.answer(stream).body == b"/%d " % number + b"x" * 300_000 + b"y"


def test_the_client_chooses_over_tls(serve2: Serve, certificates: Certificates) -> None:
    served = serve2(echo, **certificates.settings)
    url = f"https://127.0.0.1:{served.port}/a"
    context = certificates.context()
    for http2, version in ((True, "HTTP/2"), (False, "HTTP/1.1")):
        with httpx.Client(http2=http2, verify=context) as client:
            answer = client.post(url, content=b"x" * 200_000)
            assert answer.http_version == version
            assert answer.content == b"/a " + b"x" * 200_000


@pytest.mark.parametrize("size", [1, 3, 4, 10])
def test_a_preface_in_pieces(serve2: Serve, size: int) -> None:
    served = serve2(echo)
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = frames.OPENING + frames.headers(1)
        sock.sendall(data[:size])
        served.wait_until(lambda: len(served.hub.connections) == 1)
        sock.sendall(data[size:])
        assert sock.recv(9)[3] == frames.TYPES["settings"]


def test_http1_beside_it(serve2: Serve) -> None:
    served = serve2(echo)
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE) as sock:
        sock.sendall(b"P")
        served.wait_until(lambda: len(served.hub.connections) == 1)
        sock.sendall(b"UT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_only_http1(serve2: Serve) -> None:
    served = serve2(echo, http="1")
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE) as sock:
        sock.sendall(frames.OPENING)
        assert sock.recv(100).startswith(b"HTTP/1.1 505")
    served.wait_until(lambda: served.logged("505"))
    assert "505" in served.taken_log()


def test_only_http2(serve2: Serve) -> None:
    served = serve2(echo, http="2")
    assert served.connect().request().status == 200
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        data = b""
        while piece := sock.recv(100):
            data += piece
    assert frames.frames_of(data)[-1].kind == "goaway"
    assert "does not begin with the HTTP/2 preface" in served.taken_log()


def test_a_client_that_resets_is_gone(serve2: Serve) -> None:
    gone, begun = Flag(), Flag()

    async def wait(scope: dict[str, Any], receive: Any, send: Any) -> None:
        begun.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    client = serve2(wait).connect()
    stream = client.ask()
    begun.wait()
    client.h2.reset_stream(stream)
    client.flush()
    gone.wait()


def test_an_application_that_fails_resets_what_it_began(serve2: Serve) -> None:
    async def fail(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await start(send, 200)
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        raise ValueError("no")

    served = serve2(fail)
    client = served.connect()
    answer = client.request()
    assert (answer.status, answer.code) == (200, h2.errors.ErrorCodes.INTERNAL_ERROR)
    assert "ValueError" in served.taken_log()


def test_refusals_answer_one_stream(serve2: Serve) -> None:
    served = serve2(echo, limit_request_body=10)
    client = served.connect()
    assert client.request("POST", "/", [(b"content-length", b"11")], b"x" * 11).status == 413
    assert client.request("POST", "/", [], b"x" * 11).status == 413
    assert client.request("POST", "/", [], b"x" * 10).body == b"/ " + b"x" * 10
    assert served.taken_log().count("413") >= 1


async def turn_away(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await respond(send, b"who are you?", status=401)


def wsgi_turn_away(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("401 Unauthorized", [("Content-Type", "text/plain")])
    return [b"who are you?"]


@pytest.mark.parametrize("app", [turn_away, wsgi_turn_away], ids=["asgi", "wsgi"])
def test_an_answer_to_an_upload_that_nobody_reads(
    serve2: Serve, certificates: Certificates, app: Any
) -> None:
    """httpx reads the response when it has sent the whole request."""
    served = serve2(app, limit_request_body=400_000, **certificates.settings)
    url = f"https://127.0.0.1:{served.port}/"
    with httpx.Client(http2=True, verify=certificates.context(), timeout=DEADLINE) as client:
        for size in (300_000, 380_000, 1000):
            answer = client.post(url, content=b"x" * size)
            assert (answer.http_version, answer.status_code) == ("HTTP/2", 401)
            assert answer.text == "who are you?"


def test_the_answer_to_an_upload_that_is_too_large(
    serve2: Serve, certificates: Certificates
) -> None:
    served = serve2(echo, limit_request_body=100_000, **certificates.settings)
    url = f"https://127.0.0.1:{served.port}/"
    with httpx.Client(http2=True, verify=certificates.context(), timeout=DEADLINE) as client:
        assert client.post(url, content=b"x" * 300_000).status_code == 413
        pieces = (b"x" * 1000 for _ in range(300))
        assert client.post(url, content=pieces).status_code == 413
        assert client.post(url, content=b"x").status_code == 200
    assert served.taken_log().count("413") >= 1


def test_a_refused_head_is_in_the_access_log(serve2: Serve) -> None:
    written = io.StringIO()
    access = AccessLog("json", stream=written)

    async def flush() -> None:
        access.flush()

    served = serve2(echo, limit_request_fields=5, access=access)
    client = served.connect()
    fields = [(b"x-a", b"1")] * 10
    assert client.request("GET", "/", fields).status == 431
    assert client.request("GET", "/").status == 200
    served.wait_until_idle()
    served.run(flush())
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    keys = ("method", "target", "http_version", "status")
    assert [[line[key] for key in keys] for line in lines] == [
        ["-", "-", "2", 431],
        ["GET", "/", "2", 200],
    ]
    assert "431" in served.taken_log()


def test_a_window_that_is_held_shut(serve2: Serve) -> None:
    gone = Flag()

    async def flood(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await start(send, 200)
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 9999, "more_body": True})
        except OSError:
            gone.set()
            raise

    served = serve2(flood, timeout_write=0.5)
    client = served.connect(window=100)
    client.acknowledges = False
    assert client.answer(client.ask()).code == h2.errors.ErrorCodes.CANCEL
    gone.wait()
    assert "reads nothing: stream reset" in served.taken_log()


def test_a_connection_window_that_is_held_shut(serve2: Serve) -> None:
    async def large(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await respond(send, b"x" * 100_000)

    served = serve2(large, timeout_write=0.5)
    client = served.connect(window=2**20)
    client.acknowledges = False
    stream = client.ask()
    until_closed(client)
    assert len(client.answers[stream].body) == 65535
    assert "reads nothing: connection closed" in served.taken_log()


def until_closed(client: Http2SocketClient) -> None:
    """Take what comes until the server has cut the connection."""
    try:
        while client.receive():
            pass
    except ConnectionResetError:
        pass


def test_a_body_that_hardly_comes(serve2: Serve) -> None:
    begun = Flag()

    async def read(scope: dict[str, Any], receive: Any, send: Any) -> None:
        begun.set()
        assert (await receive())["type"] == "http.disconnect"

    served = serve2(read, limit_body_rate=1000)
    client = served.connect()
    stream = client.ask("POST", end=False)
    begun.wait()
    served.loop.call_soon_threadsafe(rush, served.hub)
    assert client.answer(stream).status == 408
    assert "408" in served.taken_log()


def rush(hub: Any) -> None:
    """Let a minute pass on every connection at once."""
    for connection in tuple(hub.connections):
        connection.tick(hub.now + 40.0)


def test_the_stop_finishes_what_is_under_way(serve2: Serve) -> None:
    begun, go = Flag(), threading.Event()

    async def slow(scope: dict[str, Any], receive: Any, send: Any) -> None:
        import asyncio

        begun.set()
        await asyncio.get_running_loop().run_in_executor(None, go.wait, DEADLINE)
        await respond(send, b"done")

    served = serve2(slow)
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE) as sock:
        sock.sendall(frames.OPENING + frames.settings(ack=True) + frames.headers(1))
        begun.wait()
        served.begin_stop()
        served.wait_until(lambda: served.hub.draining)
        go.set()
        data = b""
        while piece := sock.recv(1000):
            data += piece
    told = frames.frames_of(data)
    goaways = [frame.number for frame in told if frame.kind == "goaway"]
    assert goaways == [2**31 - 1, 1]
    assert b"".join(frame.payload for frame in told if frame.kind == "data") == b"done"


def test_a_file(serve2: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"f" * 1_000_000)

    def wsgi_file(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "1000000")])
        return environ["wsgi.file_wrapper"](path.open("rb"))

    client = serve2(wsgi_file).connect()
    assert client.request().body == b"f" * 1_000_000
    assert client.request("HEAD").body == b""


async def chat(scope: dict[str, Any], receive: Any, send: Any) -> None:
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "chat"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"] * 2})


def wsgi_chat(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    assert environ["REQUEST_METHOD"] == "GET"
    websocket = environ["wsgi.websocket"]
    websocket.accept("chat")
    while (message := websocket.receive()) is not None:
        websocket.send(message * 2)
    return []


@pytest.mark.parametrize("app", [chat, wsgi_chat], ids=["asgi", "wsgi"])
def test_a_websocket(serve2: Serve, app: Any) -> None:
    client = serve2(app).connect()
    client.receive()
    stream = client.h2.get_next_available_stream_id()
    client.h2.send_headers(
        stream,
        [
            *((b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http")),
            *((b":authority", b"a.example"), (b":path", b"/ws")),
            *((b"sec-websocket-version", b"13"), (b"sec-websocket-protocol", b"chat")),
        ],
    )
    client.h2.send_data(stream, client_frame(TEXT, b"early"))
    client.flush()
    answer = client.answers[stream]
    while len(answer.body) < 12:
        client.receive()
    assert (answer.status, answer.fields[b"sec-websocket-protocol"]) == (200, b"chat")
    assert b"sec-websocket-accept" not in answer.fields
    client.upload(stream, client_frame(TEXT, b"x" * 50_000), end=False)
    while len(answer.body) < 12 + 100_000:
        client.receive()
    client.h2.send_data(stream, client_frame(CLOSE, b"\x03\xe8"))
    client.flush()
    while not answer.over:
        client.receive()
    told = server_frames(answer.body)
    assert [(kind, len(payload)) for kind, _, payload in told] == [
        *((TEXT, 10), (TEXT, 100_000), (CLOSE, 2))
    ]
    # The connection stays open.
    assert client.h2.open_outbound_streams <= 1


def test_a_websocket_behind_a_proxy_is_the_clients(serve2: Serve) -> None:
    served = serve2(chat)
    client = served.connect()
    client.receive()
    stream = client.h2.get_next_available_stream_id()
    client.h2.send_headers(
        stream,
        [
            *((b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http")),
            *((b":authority", b"a.example"), (b":path", b"/ws")),
            *((b"sec-websocket-version", b"13"), (b"sec-websocket-protocol", b"chat")),
            (b"x-forwarded-for", b"203.0.113.7"),
        ],
    )
    # No kind of frame has this number.
    client.h2.send_data(stream, client_frame(3, b""))
    client.flush()
    while not client.answers[stream].over:
        client.receive()
    assert "203.0.113.7: WebSocket failed: 1002" in served.taken_log()


def test_an_adapter_sees_a_websocket(serve2: Serve) -> None:
    """Though a handshake over HTTP/2 has no Upgrade field."""
    adapter = ASGIToWSGI(chat)

    def wsgi_adapted(environ: dict[str, Any], start_response: Any) -> Any:
        return adapter(environ, start_response)

    try:
        served = serve2(wsgi_adapted)
        client = Http2RawWebSocket(served.port, "/", [("sec-websocket-protocol", "chat")])
        with client:
            client.accepted()
            client.write(text("a"))
            assert client.message() == "aa"
            client.write(close(1000))
            assert client.closing() == (1000, "")
        served.wait_until_quiet()
    finally:
        adapter.close()


@pytest.mark.parametrize("header", [proxy.line(), proxy.binary_line()], ids=["v1", "v2"])
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_proxy_header_before_http2(
    serve2: Serve, certificates: Certificates, header: bytes, tls: bool
) -> None:
    async def who(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await respond(send, f"{scope['scheme']} {scope['client']}".encode())

    secrets = certificates.settings if tls else {}
    served = serve2(who, proxy_protocol=True, http="2", **secrets)
    sock = socket.create_connection(("127.0.0.1", served.port), DEADLINE)
    sock.sendall(header)
    if tls:
        context = certificates.context(alpn=("h2",))
        sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
    with sock:
        sock.sendall(frames.OPENING + frames.headers(1))
        data = b""
        while b"198.51.100.7" not in data:
            data += sock.recv(1000)
    scheme = b"https" if tls else b"http"
    assert data.endswith(scheme + b" ('198.51.100.7', 50000)")


def test_what_is_left_out_is_there() -> None:
    """A name in `only_http1` that no test has would leave out nothing, unnoticed."""
    names = set()
    for path in Path(__file__).parent.glob("test_contract_*.py"):
        module = path.stem.removeprefix("test_contract_")
        names.add(module)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                names.add(f"{module}: {node.name.removeprefix('test_')}")
    assert ONLY_HTTP1.keys() <= names


def told_until_closed(sock: socket.socket) -> list[str]:
    """The frames that come until the server closes, in the words of the corpus."""
    data = b""
    while piece := sock.recv(10000):
        data += piece
    return [describe(frame) for frame in frames.frames_of(data)]


def connected(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), DEADLINE)


def opened(served: Served) -> bool:
    """The one connection has seen SETTINGS, and a tick since."""
    return [one.transport.phase for one in served.hub.connections] == [1]


def test_an_idle_connection_is_closed_with_a_word(serve2: Serve) -> None:
    served = serve2(echo, timeout_keep_alive=0.3)
    with connected(served) as sock:
        sock.sendall(frames.OPENING + frames.settings(ack=True) + frames.headers(1))
        told = told_until_closed(sock)
    assert told[-1] == "goaway 1 NO_ERROR"
    assert "data 1" in told


def test_settings_that_are_not_acknowledged(serve2: Serve) -> None:
    served = serve2(echo)
    with connected(served) as sock:
        sock.sendall(frames.OPENING)
        served.wait_until(lambda: opened(served))
        served.loop.call_soon_threadsafe(rush, served.hub)
        assert told_until_closed(sock)[-1] == "goaway 0 SETTINGS_TIMEOUT"
    assert "SETTINGS_TIMEOUT: SETTINGS were not acknowledged" in served.taken_log()


def test_a_head_that_does_not_end(serve2: Serve) -> None:
    served = serve2(echo, timeout_request_head=0.5)
    with connected(served) as sock:
        sock.sendall(frames.OPENING + frames.settings(ack=True) + frames.headers(1, flags=0))
        assert told_until_closed(sock)[-1] == "goaway 0 ENHANCE_YOUR_CALM"
    assert "the request head took too long" in served.taken_log()


def test_a_client_that_says_nothing(serve2: Serve) -> None:
    served = serve2(echo, http="2", timeout_request_head=0.5)
    with connected(served) as sock:
        sock.sendall(frames.PREFACE[:10])
        assert told_until_closed(sock)[-1] == "goaway 0 NO_ERROR"


def test_what_breaks_http2_ends_the_connection_with_one_line(serve2: Serve) -> None:
    served = serve2(echo)
    with connected(served) as sock:
        sock.sendall(frames.OPENING + frames.headers(2))
        assert told_until_closed(sock)[-1] == "goaway 0 PROTOCOL_ERROR"
    log = served.taken_log()
    assert "connection closed: PROTOCOL_ERROR: HEADERS on stream 2" in log
    assert log.count("WARNING") == 1


def test_rapid_reset_is_thrown_out(serve2: Serve) -> None:
    async def wait(scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    served = serve2(wait)
    with connected(served) as sock:
        attack = [frames.headers(n) + frames.rst_stream(n) for n in range(1, 2001, 2)]
        sock.sendall(frames.OPENING + b"".join(attack))
        assert told_until_closed(sock)[-1].endswith("ENHANCE_YOUR_CALM")
    assert "too many streams that are reset" in served.taken_log()
    served.wait_until_idle()


def test_a_rapid_reset_of_a_slow_view_leaves_nothing_queued(serve2: Serve) -> None:
    """Over several connections, because each is thrown out after some hundred."""
    entered, release = threading.Semaphore(0), threading.Event()

    def wsgi_slow(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            entered.release()
            release.wait(DEADLINE)
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    served = serve2(wsgi_slow, threads=1)
    busy = served.connect()
    slow = busy.ask("GET", "/slow")
    assert entered.acquire(timeout=DEADLINE)
    attack = [frames.headers(n) for n in range(1, 201, 2)]
    resets = [frames.rst_stream(n) for n in range(1, 201, 2)]
    for together in (True, False):
        for _ in range(3):
            with connected(served) as sock:
                sock.sendall(frames.OPENING + b"".join(attack))
                if not together:
                    served.wait_until(lambda: len(served.hub.interface.pool.calls) == 100)
                sock.sendall(b"".join(resets))
                served.wait_until(lambda: served.hub.served % 100 == 1)
                served.wait_until(lambda: not served.hub.interface.pool.calls)
    assert served.hub.interface.running == 1
    release.set()
    assert busy.answer(slow).body == b"/slow"
    assert busy.request("GET", "/fine").body == b"/fine"
