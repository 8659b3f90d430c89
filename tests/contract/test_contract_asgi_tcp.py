"""TCP connections of ASGI applications: each message of docs/reference/asgi-streams.md, its order,
its errors, and the limits."""

import asyncio
import contextlib
import logging
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from support.certificates import Certificates
from support.flag import DEADLINE, Flag
from support.inprocess import Served
from support.tcp import echo, read_all

Serve = Callable[..., Served]
Seen = SimpleQueue[Any]

LISTEN = "tcp://127.0.0.1:0"
TLS = "tls+tcp://127.0.0.1:0"
# More than a transport and the two kernels' queues hold.
MUCH = 32 * 1024 * 1024


@pytest.fixture
def serve(request: pytest.FixtureRequest, loop_kind: str) -> Iterator[Serve]:
    """Serve an application on TCP as well; each server must stop and leave nothing."""
    made: list[Served] = []
    failed = request.session.testsfailed

    def start(app: object, listen: str = LISTEN, **options: Any) -> Served:
        options = {"lifespan": "off", "interface": "asgi3", **options}
        made.append(Served(app, loop_kind, listen=listen, **options))
        return made[-1].start()

    yield start
    for one in made:
        if request.session.testsfailed > failed:
            one.abandon()
        else:
            one.close()


def address_of(served: Served) -> tuple[str, int]:
    """Return where the last address of --listen is."""
    host, _, port = served.server.addresses[-1].rpartition("/")[2].rpartition(":")
    return host, int(port)


def connect(served: Served) -> socket.socket:
    """Return a client's connection; closed at the end if the test does not."""
    client = socket.create_connection(address_of(served), DEADLINE)
    served.clients.append(client)
    return client


def take(seen: Seen) -> Any:
    return seen.get(timeout=DEADLINE)


def recording(seen: Seen) -> Callable[..., Any]:
    """Return an application that accepts, and keeps all messages up to the end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            seen.put(message)
            if message["type"] == "tcp.connect":
                await send({"type": "tcp.accept"})
            elif message["type"] == "tcp.disconnect" or not message["more"]:
                return

    return app


# The scope.


def test_the_scope_of_a_connection(serve: Serve) -> None:
    seen, go = Flag(), Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.set(scope)
        await go.reached()

    served = serve(app)
    client = connect(served)
    scope = seen.wait()
    extensions = scope.pop("extensions")
    assert scope == {
        "type": "tcp",
        "asgi": {"version": "3.0", "spec_version": "1.0"},
        "client": client.getsockname(),
        "server": client.getpeername(),
        "half_close": True,
        "alpn": None,
        "server_name": None,
    }
    assert extensions.keys() == {"bascule.stopping"}
    go.set()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert "returned without answering tcp.connect: TCP tcp://127.0.0.1:" in served.taken_log()


def test_the_state_of_lifespan_is_copied_into_each_scope(serve: Serve) -> None:
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["kept"] = [1]
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        seen.put(scope["state"])
        await receive()
        await send({"type": "tcp.close"})

    served = serve(app, lifespan="on")
    states = []
    for _ in range(2):
        with connect(served):
            states.append(take(seen))
    assert states == [{"kept": [1]}, {"kept": [1]}]
    assert states[0] is not states[1]
    assert states[0]["kept"] is states[1]["kept"]


def test_a_unix_socket(serve: Serve) -> None:
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.put((scope["client"], scope["server"]))
        await echo(scope, receive, send)

    with tempfile.TemporaryDirectory(prefix="bascule-") as directory:
        path = str(Path(directory) / "s")
        served = serve(app, f"unix+tcp:{path}")
        assert served.server.addresses[-1] == f"unix+tcp:{path}"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            assert take(seen) == (None, (path, None))
            client.sendall(b"line\n")
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"line\n"
        served.close()
        assert not Path(path).exists()


def test_a_proxy_names_the_client(serve: Serve) -> None:
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.put(scope["client"])
        await echo(scope, receive, send)

    served = serve(app, proxy_protocol=True)
    client = connect(served)
    client.sendall(b"PROXY TCP4 198.51.100.7 127.0.0.1 5678 5140\r\nhello")
    client.shutdown(socket.SHUT_WR)
    assert take(seen) == ("198.51.100.7", 5678)
    assert read_all(client) == b"hello"
    with connect(served) as wrong:
        wrong.sendall(b"no header\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert wrong.recv(1) == b""
    served.wait_until(lambda: served.logged("PROXY"))
    assert "connection closed" in served.taken_log()


def test_http_and_tcp_have_the_same_application(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "tcp":
            await echo(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    served = serve(app)
    assert served.request("GET").status == 204
    client = connect(served)
    client.sendall(b"x")
    assert client.recv(1) == b"x"
    assert served.request("GET").status == 204
    # An open connection is no request under way, and does not count as one.
    served.wait_until(lambda: served.hub.busy == 0)
    assert served.hub.interface.count_running() == 1


# Messages and their order.


def test_messages_in_order(serve: Serve) -> None:
    seen: Seen = SimpleQueue()
    served = serve(recording(seen))
    client = connect(served)
    assert take(seen) == {"type": "tcp.connect"}
    client.sendall(b"one")
    assert take(seen) == {"type": "tcp.receive", "bytes": b"one", "more": True}
    client.sendall(b"two")
    assert take(seen) == {"type": "tcp.receive", "bytes": b"two", "more": True}
    client.shutdown(socket.SHUT_WR)
    assert take(seen) == {"type": "tcp.receive", "bytes": b"", "more": False}


def test_bytes_before_accept_are_received_after_it(serve: Serve) -> None:
    connected, accept, seen = Flag(), Flag(), Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        connected.set()
        await accept.reached()
        await send({"type": "tcp.accept"})
        seen.set(await receive())

    served = serve(app)
    client = connect(served)
    connected.wait()
    client.sendall(b"early")
    served.wait_until(lambda: any(one.received for one in served.hub.connections))
    accept.set()
    assert seen.wait() == {"type": "tcp.receive", "bytes": b"early", "more": True}


def test_the_client_ends_first_and_still_reads(serve: Serve) -> None:
    """Half-close from the client: what the application sends afterwards arrives."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        while (await receive())["more"]:
            pass
        await send({"type": "tcp.send", "bytes": b"a"})
        await send({"type": "tcp.send", "bytes": b"b", "more": False})

    client = connect(serve(app))
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    assert read_all(client) == b"ab"


def test_the_application_ends_first_and_still_reads(serve: Serve) -> None:
    """Half-close from the application: what the client sends afterwards arrives."""
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        await send({"type": "tcp.send", "bytes": b"done", "more": False})
        with pytest.raises(RuntimeError, match=r"'tcp\.send' is not expected after the sending"):
            await send({"type": "tcp.send", "bytes": b"more"})
        while (message := await receive())["type"] != "tcp.disconnect":
            seen.put(message)
        seen.put(message)

    client = connect(serve(app))
    assert read_all(client) == b"done"
    client.sendall(b"still here")
    assert take(seen) == {"type": "tcp.receive", "bytes": b"still here", "more": True}
    client.shutdown(socket.SHUT_WR)
    assert take(seen) == {"type": "tcp.receive", "bytes": b"", "more": False}
    assert take(seen) == {"type": "tcp.disconnect", "reason": "closed"}


def test_a_client_that_ends_and_closes(serve: Serve) -> None:
    """Only sending shows that a client that has ended its side is gone."""
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        seen.put(await receive())
        try:
            while True:
                await send({"type": "tcp.send", "bytes": b"x"})
                await asyncio.sleep(0)
        except OSError as error:
            seen.put(type(error).__name__)
        seen.put(await receive())

    client = connect(serve(app))
    client.sendall(b"bye")
    client.close()
    message = take(seen)
    assert message["bytes"] == b"bye"
    assert take(seen) == "ClientDisconnected"
    last = take(seen)
    if last["type"] == "tcp.receive":
        assert last == {"type": "tcp.receive", "bytes": b"", "more": False}
    else:
        assert last == {"type": "tcp.disconnect", "reason": "reset"}


def test_a_reset(serve: Serve) -> None:
    """Bytes that came before are received first; there is no end of the sending side."""
    seen: Seen = SimpleQueue()
    go = Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        await go.reached()
        while (message := await receive())["type"] != "tcp.disconnect":
            seen.put(message)
        seen.put(message)
        seen.put(await receive())
        with pytest.raises(OSError, match="closed the connection"):
            await send({"type": "tcp.send", "bytes": b"x"})

    served = serve(app)
    client = connect(served)
    client.sendall(b"last words")
    served.wait_until(lambda: any(one.received == 10 for one in served.hub.connections))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    served.wait_until_unconnected()
    go.set()
    assert take(seen) == {"type": "tcp.receive", "bytes": b"last words", "more": True}
    assert take(seen) == {"type": "tcp.disconnect", "reason": "reset"}
    assert take(seen) == {"type": "tcp.disconnect", "reason": "reset"}


@pytest.mark.parametrize("answered", [False, True])
def test_close(serve: Serve, answered: bool) -> None:
    """Before tcp.accept it refuses the connection; afterwards it ends both sides, in order."""
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if answered:
            await send({"type": "tcp.accept"})
            await send({"type": "tcp.send", "bytes": b"x" * 1000})
        await send({"type": "tcp.close"})
        seen.put(await receive())
        with pytest.raises(RuntimeError, match=r"'tcp\.send' is not expected after tcp\.close"):
            await send({"type": "tcp.send", "bytes": b"x"})

    client = connect(serve(app))
    # Unread bytes do not turn the end into a reset.
    client.sendall(b"never read")
    assert len(read_all(client)) == 1000 * answered
    assert take(seen) == {"type": "tcp.disconnect", "reason": "application"}


def test_close_by_a_reset(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        await send({"type": "tcp.close", "abort": True})

    with pytest.raises(ConnectionResetError):
        connect(serve(app)).recv(1)


def test_an_application_that_returns_closes_behind_what_it_sent(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        await send({"type": "tcp.send", "bytes": b"x" * 100_000})

    assert len(read_all(connect(serve(app)))) == 100_000


def test_an_application_that_raises_resets(serve: Serve) -> None:
    """The client must not take what it has for everything."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        await receive()
        raise ValueError("broken")

    served = serve(app)
    client = connect(served)
    client.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    served.wait_until_quiet()
    log = served.taken_log()
    assert "ASGI application raised: TCP tcp://127.0.0.1:" in log
    assert "ValueError: broken" in log


def test_an_application_that_lets_the_oserror_of_send_through(serve: Serve) -> None:
    """It is the usual way to end, and no mistake."""
    gone = Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        gone.set()
        while (await receive())["type"] != "tcp.disconnect":
            pass
        await send({"type": "tcp.send", "bytes": b"x"})

    client = connect(serve(app))
    gone.wait()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


@pytest.mark.parametrize(
    ("messages", "error", "words"),
    [
        ([{"type": "tcp.send", "bytes": b""}], RuntimeError, "'tcp.send' is not expected before"),
        ([{"type": "tcp.accept"}] * 2, RuntimeError, "'tcp.accept' is not expected on an"),
        ([{"type": "http.response.start"}], RuntimeError, "is not expected before tcp.accept"),
        (
            [{"type": "tcp.accept"}, {"type": "tcp.send", "bytes": "text"}],
            Exception,
            "body is str, not bytes",
        ),
    ],
)
def test_mistakes(
    serve: Serve, messages: list[dict[str, Any]], error: type[Exception], words: str
) -> None:
    """They raise at the call, and change nothing."""
    raised: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            for message in messages:
                await send(message)
        except Exception as mistake:
            raised.put(mistake)
        await send({"type": "tcp.close"})

    assert read_all(connect(serve(app))) == b""
    mistake = take(raised)
    assert isinstance(mistake, error)
    assert words in str(mistake)


# Backpressure, limits, deadlines.


def test_a_slow_application_stops_the_client(serve: Serve) -> None:
    """Not more than the bound waits in the server, and nothing is lost."""
    go, counted = Flag(), Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        await go.reached()
        size, most = 0, 0
        more = True
        while more:
            message = await receive()
            size += len(message["bytes"])
            most = max(most, len(message["bytes"]))
            more = message["more"]
        counted.set((size, most))

    served = serve(app)
    client = connect(served)
    client.setblocking(False)
    sent = 0
    data = bytes(65536)
    for _ in range(MUCH // len(data)):
        try:
            sent += client.send(data)
        except BlockingIOError:
            served.wait_until(lambda: any(one.transport.reading_paused for one in open_of(served)))
            break
    assert sent < MUCH
    go.set()
    client.setblocking(True)
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
    size, most = counted.wait()
    assert size == sent + len(data)
    # The bound, and what one read brings.
    assert most <= 131072 + 262144


def open_of(served: Served) -> list[Any]:
    return [one for one in served.hub.connections if hasattr(one, "service")]


def test_a_slow_client_stops_the_application(serve: Serve) -> None:
    """`send` waits, and continues when the client reads."""
    sent: list[int] = []
    ended = Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        for _ in range(MUCH // 65536):
            sent.append(65536)
            await send({"type": "tcp.send", "bytes": bytes(65536)})
        ended.set()

    served = serve(app)
    client = connect(served)
    served.wait_until(lambda: any(one.congested for one in open_of(served)))
    assert sum(sent) < MUCH
    assert not ended.is_set
    received = 0
    while data := client.recv(262144):
        received += len(data)
    assert received == MUCH
    ended.wait()


def test_a_client_that_reads_nothing_is_cut(serve: Serve) -> None:
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        try:
            while True:
                await send({"type": "tcp.send", "bytes": bytes(262144)})
        except OSError:
            seen.put(await receive())

    served = serve(app, timeout_write=0.3)
    client = connect(served)
    assert take(seen) == {"type": "tcp.disconnect", "reason": "slow"}
    assert "reads nothing: TCP connection reset" in served.taken_log()
    with pytest.raises(ConnectionResetError):
        read_all(client)


def test_an_idle_connection_is_closed(serve: Serve) -> None:
    seen: Seen = SimpleQueue()
    served = serve(recording(seen), timeout_tcp_idle=0.3)
    client = connect(served)
    client.sendall(b"x")
    assert client.recv(1) == b""
    kinds = [take(seen)["type"] for _ in range(2)]
    assert kinds == ["tcp.connect", "tcp.receive"]
    assert take(seen) == {"type": "tcp.disconnect", "reason": "idle"}


def test_a_connection_is_not_idle_while_the_application_does_not_read(serve: Serve) -> None:
    """The client has sent, and waits for the application."""
    go = Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        await go.reached()
        size = 0
        while size < MUCH:
            size += len((await receive())["bytes"])
        await send({"type": "tcp.send", "bytes": b"ok"})

    served = serve(app, timeout_tcp_idle=0.3)
    client = connect(served)
    client.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < MUCH:
            sent += client.send(bytes(65536))
    served.wait_until(lambda: any(one.transport.reading_paused for one in open_of(served)))
    hub = served.hub
    until = hub.now + 1.0
    served.wait_until(lambda: hub.now > until)
    go.set()
    client.settimeout(DEADLINE)
    client.sendall(bytes(MUCH - sent))
    assert client.recv(2) == b"ok"


def test_an_unanswered_connection_is_cut(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bascule.connections.tcp.ANSWER_WITHIN", 0.3)
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        seen.put(await receive())

    served = serve(app)
    client = connect(served)
    assert take(seen) == {"type": "tcp.disconnect", "reason": "unanswered"}
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert "left tcp.connect unanswered for 0.3 s" in served.taken_log()


def test_the_limit_of_connections_leaves_room_for_http(serve: Serve) -> None:
    """The connections beyond wait in the kernel's queue until there is room."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "tcp":
            await echo(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    served = serve(app, limit_tcp_connections=3)
    clients = [connect(served) for _ in range(5)]
    for client in clients:
        client.sendall(b"x")
    for client in clients[:3]:
        assert client.recv(1) == b"x"
    assert served.request("GET").status == 204
    assert len(open_of(served)) == 3
    for client in clients[:2]:
        client.close()
    for client in clients[3:]:
        assert client.recv(1) == b"x"


def test_many_idle_connections(serve: Serve) -> None:
    served = serve(echo)
    clients = [connect(served) for _ in range(300)]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    assert [client.recv(10) for client in clients] == [b"%d" % n for n in range(300)]
    assert served.hub.busy == 0


# The server stops.


def test_the_application_is_told_that_the_server_stops(serve: Serve) -> None:
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        seen.put("accepted")
        while (message := await receive())["type"] == "tcp.receive":
            await send({"type": "tcp.send", "bytes": message["bytes"]})
        seen.put(message)
        # It may continue as before.
        message = await receive()
        await send({"type": "tcp.send", "bytes": message["bytes"]})

    served = serve(app, timeout_graceful_shutdown=60.0)
    client = connect(served)
    take(seen)
    served.begin_stop()
    assert take(seen) == {"type": "tcp.stopping", "seconds": 60.0}
    client.sendall(b"finish this")
    assert read_all(client) == b"finish this"
    client.close()
    served.wait_until_ended()


def test_bytes_that_came_before_the_stop_are_received_before_it(serve: Serve) -> None:
    seen: Seen = SimpleQueue()
    go = Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        await go.reached()
        for _ in range(3):
            seen.put(await receive())

    served = serve(app, timeout_graceful_shutdown=60.0)
    client = connect(served)
    client.sendall(b"before")
    served.wait_until(lambda: any(one.received for one in open_of(served)))
    served.begin_stop()
    served.wait_until(lambda: served.hub.draining)
    go.set()
    assert take(seen) == {"type": "tcp.receive", "bytes": b"before", "more": True}
    assert take(seen)["type"] == "tcp.stopping"
    client.sendall(b"after")
    assert take(seen) == {"type": "tcp.receive", "bytes": b"after", "more": True}
    assert client.recv(1) == b""
    client.close()
    served.wait_until_ended()


def test_an_application_that_ignores_the_stop_is_cut_at_the_deadline(serve: Serve) -> None:
    ended = Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        try:
            while True:
                message = await receive()
                if message["type"] == "tcp.disconnect":
                    ended.set(message["reason"])
                    return
        except asyncio.CancelledError:
            ended.set("cancelled")
            raise

    served = serve(app, timeout_graceful_shutdown=0.3)
    client = connect(served)
    served.wait_until(lambda: bool(open_of(served)) and open_of(served)[0].exchange.state == 1)
    served.begin_stop()
    assert ended.wait() in ("stopped", "cancelled")
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    served.wait_until_ended()
    assert "1 requests were still running after 0.3 s" in served.taken_log()


# TLS.


def test_tls(serve: Serve, certificates: Certificates) -> None:
    """The scope has what the handshake has settled; TLS cannot close one side alone."""
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.put(scope)
        await receive()
        await send({"type": "tcp.accept"})
        while (message := await receive())["type"] == "tcp.receive":
            if not message["bytes"]:
                break
            await send({"type": "tcp.send", "bytes": message["bytes"]})
        seen.put(message)
        seen.put(await receive())

    served = serve(app, TLS, tcp_alpn="mqtt,xmpp-client", **certificates.settings)
    with certificates.context(alpn=("xmpp-client",)).wrap_socket(
        connect(served), server_hostname="localhost"
    ) as client:
        client.sendall(b"secret")
        assert client.recv(100) == b"secret"
        scope = take(seen)
        assert scope["alpn"] == "xmpp-client"
        assert scope["server_name"] == "localhost"
        assert scope["half_close"] is False
        assert scope["extensions"]["tls"]["tls_version"] == 0x0304
        assert scope["extensions"]["tls"]["server_cert"] == certificates.server_pem
        with contextlib.suppress(ssl.SSLError):
            client.unwrap().close()
    assert take(seen) == {"type": "tcp.receive", "bytes": b"", "more": False}
    assert take(seen) == {"type": "tcp.disconnect", "reason": "closed"}


def test_tls_without_names(serve: Serve, certificates: Certificates) -> None:
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.put((scope["alpn"], scope["server_name"]))
        await echo(scope, receive, send)

    served = serve(app, TLS, **certificates.settings)
    context = certificates.context()
    context.check_hostname = False
    with context.wrap_socket(connect(served)) as client:
        assert take(seen) == (None, None)
        client.sendall(b"x")
        assert client.recv(1) == b"x"


@pytest.mark.parametrize("way", ["close", "end", "return"])
def test_the_end_of_a_tls_connection_is_complete(
    serve: Serve, certificates: Certificates, way: str
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "tcp.accept"})
        await send({"type": "tcp.send", "bytes": bytes(300_000), "more": way != "end"})
        if way == "close":
            await send({"type": "tcp.close"})

    served = serve(app, TLS, **certificates.settings)
    context = certificates.context()
    with context.wrap_socket(connect(served), server_hostname="localhost") as client:
        size = 0
        while data := client.recv(65536):
            size += len(data)
        assert size == 300_000


def test_a_client_without_tls_is_reported(serve: Serve, certificates: Certificates) -> None:
    served = serve(echo, TLS, **certificates.settings)
    client = connect(served)
    client.sendall(b"plain text\n")
    with contextlib.suppress(ConnectionResetError):
        read_all(client)
    served.wait_until(lambda: served.logged("TLS handshake"))
    assert "sent data that is not TLS" in served.taken_log()


def test_tcp_without_tls_beside_https(serve: Serve, certificates: Certificates) -> None:
    served = serve(echo, LISTEN, tls=certificates.context(), **certificates.settings)
    client = connect(served)
    client.sendall(b"x")
    assert client.recv(1) == b"x"


# The log.


class Nothing:
    """An access log that is on, and gets no line."""

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_line_for_each_connection(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bascule.tcp")
    served = serve(echo, access=Nothing())
    client = connect(served)
    name = "{}:{}".format(*client.getsockname())
    client.sendall(b"twelve bytes")
    client.shutdown(socket.SHUT_WR)
    read_all(client)
    served.wait_until_unconnected()
    (line,) = [one.getMessage() for one in caplog.records if one.name == "bascule.tcp"]
    where = served.server.addresses[-1]
    assert line.startswith(f'{name} - "TCP {where}" application, 12 bytes received, 12 sent, 0.')
