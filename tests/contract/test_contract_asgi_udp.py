"""UDP sockets of ASGI applications: each message of docs/reference/asgi-streams.md, the bounds,
and what becomes of datagrams when the server stops."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from support.flag import DEADLINE, Flag
from support.inprocess import Served

Serve = Callable[..., Served]
Seen = SimpleQueue[Any]

LISTEN = "udp://127.0.0.1:0"


@pytest.fixture
def serve(request: pytest.FixtureRequest, loop_kind: str) -> Iterator[Serve]:
    """Serve an application on UDP as well; each server must stop and leave nothing."""
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
            # The call for the socket lasts as long as the server.
            one.close(settle=False)


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(DEADLINE)
        yield sock


def address_of(served: Served) -> tuple[str, int]:
    """Return where the last address of --listen is."""
    host, _, port = served.server.addresses[-1].removeprefix("udp://").rpartition(":")
    return host.strip("[]"), int(port)


def socket_of(served: Served) -> Any:
    worker: Any = served.server._worker
    return worker.udp.sockets[0]


def take(seen: Seen) -> Any:
    return seen.get(timeout=DEADLINE)


def recording(seen: Seen) -> Callable[..., Any]:
    """Return an application that keeps all messages, and ends when the server stops."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            seen.put(message)
            if message["type"] != "udp.receive":
                return

    return app


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send each datagram back."""
    while (message := await receive())["type"] == "udp.receive":
        await send({"type": "udp.send", "bytes": message["bytes"], "client": message["client"]})


def test_the_scope_of_a_socket(serve: Serve) -> None:
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.put(scope)
        await receive()

    served = serve(app)
    scope = take(seen)
    assert scope.pop("extensions").keys() == {"bascule.stopping"}
    assert scope == {
        "type": "udp",
        "asgi": {"version": "3.0", "spec_version": "1.0"},
        "server": address_of(served),
    }


def test_datagrams_keep_their_bounds_and_their_senders(
    serve: Serve, client: socket.socket
) -> None:
    seen: Seen = SimpleQueue()
    served = serve(recording(seen))
    where = address_of(served)
    for data in (b"one", b"", b"x" * 60_000):
        client.sendto(data, where)
        message = {"type": "udp.receive", "bytes": data, "client": client.getsockname()}
        assert take(seen) == message
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(b"two", where)
        assert take(seen)["client"] == ("127.0.0.1", other.getsockname()[1])


def test_answers(serve: Serve, client: socket.socket) -> None:
    """They come from the address that the datagram was sent to."""
    served = serve(echo)
    for number in range(100):
        client.sendto(b"%d" % number, address_of(served))
        assert client.recvfrom(100) == (b"%d" % number, address_of(served))


def test_ipv6(serve: Serve) -> None:
    served = serve(echo, "udp://[::1]:0")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.sendto(b"six", address_of(served))
        assert client.recv(10) == b"six"


@pytest.mark.parametrize(
    ("message", "error", "words"),
    [
        ({"type": "udp.accept"}, RuntimeError, "'udp.accept' is not expected"),
        ({"type": "udp.send", "bytes": b""}, Exception, "udp.send needs client"),
        (
            {"type": "udp.send", "bytes": b"", "client": ("::1", "x")},
            Exception,
            "is not a host and a port",
        ),
        ({"type": "udp.send", "bytes": "x", "client": ("127.0.0.1", 9)}, Exception, "not bytes"),
        ({"type": "udp.send", "bytes": b"", "client": ("localhost", 9)}, OSError, "illegal"),
        (
            {"type": "udp.send", "bytes": bytes(70_000), "client": ("127.0.0.1", 9)},
            OSError,
            "too long",
        ),
    ],
)
def test_mistakes(
    serve: Serve, message: dict[str, Any], error: type[Exception], words: str
) -> None:
    """They raise at the call, and change nothing."""
    raised: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(message)
        except Exception as mistake:
            raised.put(mistake)
        await receive()

    serve(app)
    mistake = take(raised)
    assert isinstance(mistake, error)
    assert words in str(mistake)


def test_a_slow_application_makes_the_kernel_drop_and_the_log_count(
    serve: Serve, client: socket.socket
) -> None:
    """The queue is bounded; the datagrams in it are received, in order."""
    go: Any = Flag()
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.reached()
        await recording(seen)(scope, receive, send)

    served = serve(app)
    where, sent = address_of(served), 5000
    for number in range(sent):
        client.sendto(b"%d" % number, where)
    served.wait_until(lambda: not socket_of(served).is_reading)
    assert len(socket_of(served).queue) <= 1024 + 64
    served.wait_until(lambda: served.logged("datagrams were dropped"))
    line = served.taken_log()
    dropped = int(line.partition(f"{where[1]}: ")[2].split()[0])
    assert "because the application did not receive them fast enough" in line
    go.set()
    numbers = [int(take(seen)["bytes"]) for _ in range(sent - dropped)]
    assert numbers == sorted(numbers)
    assert seen.empty()


def test_what_the_kernel_has_is_received_before_the_stop(
    serve: Serve, client: socket.socket
) -> None:
    go: Any = Flag()
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.reached()
        while (message := await receive())["type"] == "udp.receive":
            seen.put(int(message["bytes"]))
        seen.put(message)
        await send({"type": "udp.send", "bytes": b"bye", "client": client.getsockname()})

    served = serve(app, timeout_graceful_shutdown=60.0)
    udp = socket_of(served)

    async def pause() -> None:
        udp.pause()

    served.run(pause())
    for number in range(100):
        client.sendto(b"%d" % number, address_of(served))
    served.begin_stop()
    served.wait_until(lambda: udp.draining)
    go.set()
    assert [take(seen) for _ in range(100)] == list(range(100))
    assert take(seen) == {"type": "udp.stopping", "seconds": 60.0}
    assert client.recv(10) == b"bye"
    served.wait_until_ended()


def test_an_application_that_ignores_the_stop_is_ended_at_the_deadline(serve: Serve) -> None:
    ended: Any = Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            while True:
                await receive()
                await asyncio.sleep(0)
        finally:
            ended.set()

    served = serve(app, timeout_graceful_shutdown=0.3)
    served.wait_until(lambda: socket_of(served).call is not None)
    served.begin_stop()
    ended.wait()
    served.wait_until_ended()
    assert "1 requests were still running after 0.3 s" in served.taken_log()


@pytest.mark.parametrize("raises", [False, True])
def test_an_application_that_ends_is_called_again(
    serve: Serve, client: socket.socket, monkeypatch: pytest.MonkeyPatch, raises: bool
) -> None:
    """The datagrams that it left wait for the next call."""
    monkeypatch.setattr("bascule.connections.udp.CALLED_AGAIN_AFTER", 0.1)
    seen: Seen = SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        seen.put(message)
        if raises and message.get("bytes") == b"last":
            raise LookupError("broken")

    served = serve(app)
    client.sendto(b"last", address_of(served))
    assert take(seen)["bytes"] == b"last"
    client.sendto(b"next", address_of(served))
    assert take(seen)["bytes"] == b"next"
    served.begin_stop()
    served.wait_until_ended()
    log = served.taken_log()
    assert ("LookupError: broken" if raises else "returned although the server") in log
    assert "UDP udp://127.0.0.1:" in log
