"""A thousand connections that are dropped at random moments leave nothing behind."""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from websocket_apps import accept, close, deny, echo_all

from support.certificates import Certificates
from support.flag import DEADLINE
from support.inprocess import Served
from support.websocket_client import CONTINUATION, PING, TEXT, binary, frame, handshake, text
from support.websocket_client import close as close_frame

Serve = Callable[..., Served]

TOGETHER = 50
PIECES = (
    text("hello"),
    binary(bytes(70_000)),
    frame(PING, b"ping"),
    frame(TEXT, b"frag", fin=False) + frame(CONTINUATION, b"ment"),
    frame(TEXT, b"half", fin=False) + frame(CONTINUATION, b"a message")[:8],
    text("queued") * 50,
    close_frame(1000),
    close_frame(None),
    frame(0x3, b"bad"),
    b"",
)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The path chooses its behaviour."""
    path = scope["path"]
    if path == "/deny":
        await deny(send, 404, [], bytes(70_000), b"end")
    elif path == "/refuse":
        await close(send)
    elif path == "/return":
        return
    elif path == "/fail":
        await accept(send)
        raise RuntimeError("on purpose")
    else:
        await accept(send)
        if path == "/echo":
            await echo_all(receive, send)
        elif path == "/close":
            await receive()
            await close(send, code=4000)
        else:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(5_000)})


PATHS = ("/echo", "/echo", "/echo", "/close", "/push", "/deny", "/refuse", "/return", "/fail")


def leave(client: Any, is_answered: bool, random: Random) -> None:
    """One of the ways to go."""
    if is_answered and random.random() < 0.5:
        client.sock.settimeout(DEADLINE)
        with suppress(ConnectionError):
            client.sock.recv(random.choice([1, 100, 65536]))
    if random.random() < 0.3:
        with suppress(OSError):
            client.half_close()
    if random.random() < 0.5:
        client.reset()
    else:
        client.close()


def drop(served: Served, count: int, random: Random) -> None:
    """Connections that overlap, each cut at a random byte."""
    open_ones: list[tuple[Any, bool]] = []
    for _ in range(count):
        client = served.connect()
        opening = handshake(random.choice(PATHS))
        script = opening + b"".join(random.choices(PIECES, k=random.randrange(4)))
        cut = random.choice([len(script), random.randrange(len(script)), len(opening)])
        client.sock.settimeout(0.05)
        # The server has closed already, or does not read: both are among the moments.
        with suppress(ConnectionError, TimeoutError):
            client.sock.sendall(script[:cut])
        open_ones.append((client, cut >= len(opening)))
        if len(open_ones) == TOGETHER:
            leave(*open_ones.pop(random.randrange(TOGETHER)), random)
    for client, _ in open_ones:
        client.reset()


def assert_nothing_left(served: Served) -> None:
    served.wait_until_quiet()
    assert served.hub.websockets == 0
    assert served.hub.connections == set()
    assert served.hub.interface.running == 0
    assert served.hub.interface.switched == 0
    assert served.hub.interface.started == set()
    assert served.trouble == []
    # Failures on purpose are in it.
    assert "Exception in callback" not in served.taken_log()


def test_a_thousand(serve_sockets: Serve) -> None:
    served = serve_sockets(application)
    drop(served, 1000, Random(6455))
    assert_nothing_left(served)


def test_over_tls(serve_sockets: Serve, certificates: Certificates) -> None:
    """A reset right behind data is noticed only by the deadlines: on an error uvloop runs the
    reader of a watched socket once more and then forgets it, and that run, aiofastnet's, ends with
    the data."""
    options = {"ws_ping_interval": 0.5, "ws_ping_timeout": 0.5, "timeout_keep_alive": 0.5}
    short = {"request_head": 0.5, "websocket_closing": 0.5, "half_close": 0.5, "write": 0.5}
    served = serve_sockets(
        application,
        tls=certificates.context(),
        deadlines=short,
        **options,
        **certificates.settings,
    )
    drop(served, 100, Random(8446))
    assert_nothing_left(served)
