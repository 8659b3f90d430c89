"""The extensions http.response.pathsend and http.response.zerocopysend."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.asgi import app, body, respond, start
from support.flag import Flag
from support.http import ConnectionEnded
from support.inprocess import Served

Serve = Callable[..., Served]

# Nothing, less than a packet, around the size up to which a file is read at once, and much more.
SIZES = [0, 1, 1000, 65536, 65537, 5_000_000]


def content(size: int) -> bytes:
    return bytes(range(251)) * (size // 251 + 1)


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[int], Path]:
    def make(size: int) -> Path:
        path = tmp_path / f"file-{size}"
        path.write_bytes(content(size)[:size])
        return path

    return make


MakeFile = Callable[[int], Path]


def sends_path(path: Any, headers: Any = (), status: int = 200) -> Any:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, status, headers)
        await send({"type": "http.response.pathsend", "path": str(path)})

    return answer


@pytest.mark.parametrize("size", SIZES)
def test_pathsend(serve: Serve, make_file: MakeFile, size: int) -> None:
    client = serve(sends_path(make_file(size), [(b"content-type", b"image/png")])).connect()
    for _ in range(2):
        response = client.request("GET")
        assert response.body == content(size)[:size]
        assert response.header("content-length") == str(size)
        assert response.header("content-type") == "image/png"


@pytest.mark.parametrize("size", SIZES)
def test_pathsend_with_the_length_of_the_application(
    serve: Serve, make_file: MakeFile, size: int
) -> None:
    """The specification leaves Content-Length to the application."""
    headers = [(b"Content-Length", b"%d" % size)]
    client = serve(sends_path(make_file(size), headers)).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.body, response.header("content-length")) == (
            content(size)[:size],
            str(size),
        )


@pytest.mark.parametrize("size", SIZES)
def test_pathsend_on_head(serve: Serve, make_file: MakeFile, size: int) -> None:
    client = serve(sends_path(make_file(size))).connect()
    for _ in range(2):
        response = client.request("HEAD")
        assert (response.body, response.header("content-length")) == (b"", str(size))


@pytest.mark.parametrize("status", [204, 304])
def test_pathsend_with_a_status_without_body(
    serve: Serve, make_file: MakeFile, status: int
) -> None:
    """However it is said, a body is dropped there and the log says so."""
    served = serve(sends_path(make_file(1000), status=status))
    client = served.connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == (status, b"")
        # RFC 9110 section 8.6: that of a 304 would be what a 200 had said.
        assert response.header("content-length") is None
    served.taken_log()


def test_pathsend_of_a_missing_file_raises_with_nothing_sent(serve: Serve, tmp_path: Path) -> None:
    """OSError at the call; the response can continue otherwise."""
    raised = Flag()

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 404)
        try:
            await send({"type": "http.response.pathsend", "path": str(tmp_path / "none")})
        except OSError as error:
            raised.set(error)
            await body(send, b"gone")

    client = serve(answer).connect()
    response = client.request("GET")
    assert isinstance(raised.wait(), FileNotFoundError)
    assert (response.status, response.body) == (404, b"gone")


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_pathsend_of_what_is_no_file_becomes_500(serve: Serve, tmp_path: Path, kind: str) -> None:
    served = serve(sends_path(tmp_path / "none" if kind == "missing" else tmp_path))
    client = served.connect()
    for _ in range(2):
        assert client.request("GET").status == 500
    assert str(tmp_path) in served.taken_log()


@pytest.mark.parametrize("size", [1000, 100_000])
@pytest.mark.parametrize("difference", [-1, 1])
def test_pathsend_with_a_wrong_length_becomes_500(
    serve: Serve, make_file: MakeFile, size: int, difference: int
) -> None:
    """It is known before the head leaves, so the client gets a whole answer."""
    served = serve(sends_path(make_file(size), [(b"content-length", b"%d" % (size + difference))]))
    client = served.connect()
    for _ in range(2):
        assert client.request("GET").status == 500
    assert "Content-Length" in served.taken_log()


def test_nothing_may_follow_pathsend(serve: Serve, make_file: MakeFile) -> None:
    path = make_file(100_000)
    raised = Flag()

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.pathsend", "path": str(path)})
        try:
            await body(send, b"more")
        except RuntimeError as error:
            raised.set(error)

    assert serve(answer).request("GET").body == content(100_000)[:100_000]
    assert isinstance(raised.wait(), RuntimeError)


def test_pathsend_closes_what_it_opened(serve: Serve, make_file: MakeFile) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    for size in (10, 1_000_000):
        served = serve(sends_path(make_file(size)))
        client = served.connect()
        client.request("GET")
        before = open_files()
        for _ in range(20):
            client.request("GET")
        served.wait_until_idle()
        assert open_files() <= before


def test_pathsend_to_a_slow_reader(serve: Serve, make_file: MakeFile) -> None:
    """Others are served meanwhile."""
    path = make_file(20_000_000)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/other":
            await respond(send, b"other")
        else:
            await start(send)
            await send({"type": "http.response.pathsend", "path": str(path)})

    served = serve(answer)
    stream = served.connect(receive_buffer=4096).open("GET")
    assert stream.head().status == 200
    assert served.request("GET", "/other").body == b"other"
    assert stream.response().body == path.read_bytes()


def test_client_that_leaves_during_pathsend(serve: Serve, make_file: MakeFile) -> None:
    """Nothing is left of it, and nothing is logged as an error."""
    served = serve(sends_path(make_file(20_000_000)))
    client = served.connect(receive_buffer=4096)
    assert client.open("GET").head().status == 200
    client.reset()
    served.wait_until_quiet()
    assert served.request("HEAD").status == 200


async def zerocopy(send: Any, file: Any, **more: Any) -> None:
    await send({"type": "http.response.zerocopysend", "file": file, **more})


class Zerocopy:
    """Sends parts of one file, each a dict of the message's keys."""

    def __init__(self, path: Path, parts: list[dict[str, Any]], headers: Any = ()) -> None:
        self.path, self.parts, self.headers = path, parts, headers
        self.seek = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with self.path.open("rb") as file:
            file.seek(self.seek)
            await start(send, 200, self.headers)
            for part in self.parts:
                await zerocopy(send, file, **part)
            assert not file.closed
            assert file.fileno() >= 0


@pytest.mark.parametrize("size", SIZES)
def test_zerocopysend_of_a_whole_file(serve: Serve, make_file: MakeFile, size: int) -> None:
    client = serve(Zerocopy(make_file(size), [{}])).connect()
    for _ in range(2):
        assert client.request("GET").body == content(size)[:size]


@pytest.mark.parametrize("size", [1000, 5_000_000])
@pytest.mark.parametrize(
    ("part", "begin", "end"),
    [
        ({"offset": 10}, 10, None),
        ({"offset": 0, "count": 20}, 0, 20),
        ({"offset": 10, "count": 20}, 10, 30),
        ({"count": 20}, 0, 20),
        ({"offset": 999, "count": 1}, 999, 1000),
        ({"offset": 10, "count": 0}, 10, 10),
    ],
)
def test_zerocopysend_of_a_part(
    serve: Serve, make_file: MakeFile, size: int, part: Any, begin: int, end: int | None
) -> None:
    client = serve(Zerocopy(make_file(size), [part])).connect()
    for _ in range(2):
        assert client.request("GET").body == content(size)[:size][begin:end]


@pytest.mark.parametrize("size", [1000, 500_000])
def test_zerocopysend_begins_where_the_file_stands(
    serve: Serve, make_file: MakeFile, size: int
) -> None:
    answer = Zerocopy(make_file(size), [{}])
    answer.seek = 100
    assert serve(answer).request("GET").body == content(size)[100:size]


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("size", [1000, 300_000])
def test_several_zerocopysends_and_bodies(
    serve: Serve, make_file: MakeFile, size: int, declared: bool
) -> None:
    """They are mixed freely, and stay in order."""
    path = make_file(size)

    @app
    async def answer(receive: Any, send: Any) -> None:
        length = 2 * size + 9
        await start(send, 200, [(b"content-length", b"%d" % length)] if declared else [])
        await body(send, b"one", more=True)
        with path.open("rb") as file:
            await zerocopy(send, file, offset=0, more_body=True)
            await body(send, b"two", more=True)
            await zerocopy(send, file, offset=0, count=size, more_body=True)
        await body(send, b"end")

    data = content(size)[:size]
    client = serve(answer).connect()
    for _ in range(2):
        assert client.request("GET").body == b"one" + data + b"two" + data + b"end"


@pytest.mark.parametrize("size", [1000, 300_000])
def test_zerocopysend_that_ends_after_others(serve: Serve, make_file: MakeFile, size: int) -> None:
    parts = [{"offset": 0, "count": 500, "more_body": True}, {"offset": 500}]
    client = serve(Zerocopy(make_file(size), parts)).connect()
    for _ in range(2):
        assert client.request("GET").body == content(size)[:size]


def test_zerocopysend_on_head(serve: Serve, make_file: MakeFile) -> None:
    parts = [{"offset": 0, "count": 500, "more_body": True}, {"offset": 500}]
    client = serve(Zerocopy(make_file(300_000), parts)).connect()
    for _ in range(2):
        assert client.request("HEAD").body == b""


def test_file_may_be_closed_when_zerocopysend_returns(serve: Serve, make_file: MakeFile) -> None:
    """The application closes it, says the specification, and it may do so at once."""
    path = make_file(5_000_000)

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        file = path.open("rb")
        await zerocopy(send, file)
        file.close()

    client = serve(answer).connect()
    for _ in range(2):
        assert client.request("GET").body == path.read_bytes()


@pytest.mark.parametrize("size", [1000, 300_000])
@pytest.mark.parametrize("difference", [-1, 1])
def test_zerocopysend_with_a_wrong_length_becomes_500(
    serve: Serve, make_file: MakeFile, size: int, difference: int
) -> None:
    headers = [(b"content-length", b"%d" % (size + difference))]
    served = serve(Zerocopy(make_file(size), [{}], headers))
    client = served.connect()
    for _ in range(2):
        assert client.request("GET").status == 500
    assert "Content-Length" in served.taken_log()


@pytest.mark.parametrize("size", [1000, 300_000])
def test_zerocopysend_of_more_than_there_is_never_looks_whole(
    serve: Serve, make_file: MakeFile, size: int
) -> None:
    served = serve(Zerocopy(make_file(size), [{"count": size + 10}]))
    stream = served.connect().open("GET")
    try:
        response = stream.response()
    except ConnectionEnded:
        pass
    else:
        assert response.status == 500
    served.wait_until_idle()
    assert served.taken_log() != ""


def test_zerocopysend_of_what_has_no_descriptor_can_be_answered_otherwise(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        with pytest.raises(Exception):  # noqa: B017, PT011  any will do
            await zerocopy(send, object())
        await body(send, b"in memory")

    assert serve(answer).request("GET").body == b"in memory"


async def send_by(kind: str, send: Any, path: Path) -> None:
    """Send a file by one of the two extensions."""
    if kind == "pathsend":
        await send({"type": "http.response.pathsend", "path": str(path)})
    else:
        with path.open("rb") as file:
            await zerocopy(send, file)


@pytest.mark.parametrize("kind", ["pathsend", "zerocopysend"])
def test_a_file_longer_than_what_is_left_of_the_length_breaks_the_response_off(
    serve: Serve, make_file: MakeFile, kind: str
) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"content-length", b"10")])
        await body(send, b"12345", more=True)
        await send_by(kind, send, make_file(10))

    served = serve(answer)
    client = served.connect()
    with pytest.raises(ConnectionEnded):
        client.request("GET")
    served.wait_until_idle()
    assert "5 bytes longer than its Content-Length" in served.taken_log()


@pytest.mark.parametrize("kind", ["pathsend", "zerocopysend"])
def test_after_a_file_that_was_refused_the_response_goes_on(
    serve: Serve, make_file: MakeFile, kind: str
) -> None:
    """Nothing of it was sent, so the application may send something else."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"content-length", b"10")])
        await body(send, b"12345", more=True)
        try:
            await send_by(kind, send, make_file(10))
        except Exception:
            await body(send, b"67890")

    assert serve(answer).request("GET").body == b"1234567890"


@pytest.mark.parametrize(
    "wrong", [{"offset": -1}, {"count": -1}, {"file": None}], ids=["offset", "count", "file"]
)
def test_zerocopysend_of_nonsense_becomes_500(
    serve: Serve, make_file: MakeFile, wrong: dict[str, Any]
) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200)
        with make_file(10).open("rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file, **wrong})

    served = serve(answer)
    assert served.request("GET").status == 500
    served.wait_until_idle()
    assert "raised" in served.taken_log()
