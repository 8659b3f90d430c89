"""Files that applications name by X-Accel-Redirect and X-Sendfile, on both interfaces and over
each protocol."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.files import is_open
from support.inprocess import Served

Serve = Callable[..., Served]
LARGE = bytes(range(256)) * 4096
PRIVATE = [("Cache-Control", "private"), ("Set-Cookie", "seen=1"), ("ETag", '"of the app"')]


def answer(path: str, query: str) -> list[tuple[str, str]]:
    """The fields of a response that names a file. path: "accel" or "sendfile", for which."""
    name = "X-Accel-Redirect" if path.endswith("accel") else "X-Sendfile"
    return [(name, query), ("Content-Type", "application/x-test"), *PRIVATE]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    fields = answer(scope["path"], scope["query_string"].decode())
    headers = [(name.lower().encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(3):
        await send({"type": "http.response.body", "body": b"dropped", "more_body": True})
    await send({"type": "http.response.body", "body": b"dropped"})


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    fields = answer(environ["PATH_INFO"], environ["QUERY_STRING"])
    start_response("200 OK", fields)
    return [b"dropped", b"dropped"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "private"
    (root / "sub").mkdir(parents=True)
    (root / "a b.txt").write_bytes(b"0123456789")
    (root / "sub" / "large.bin").write_bytes(LARGE)
    (tmp_path / "secret.txt").write_text("secret")
    return root


@pytest.fixture(params=["asgi", "wsgi", "wsgi inline"])
def handing(request: pytest.FixtureRequest, served: Serve, root: Path) -> Served:
    app: Any = asgi if request.param == "asgi" else wsgi
    threads = 0 if request.param == "wsgi inline" else 2
    return served(app, accel_redirect={"/protected": str(root)}, threads=threads).start()


def test_a_file_is_sent_with_the_fields_of_the_application(handing: Served) -> None:
    response = handing.request("GET", "/accel?/protected/a%20b.txt")
    assert (response.status, response.body) == (200, b"0123456789")
    assert response.header("content-type") == "application/x-test"
    assert response.header("content-length") == "10"
    assert response.header("cache-control") == "private"
    assert response.header("set-cookie") == "seen=1"
    assert response.header("etag") not in (None, '"of the app"')
    assert response.header("x-accel-redirect") is None


def test_x_sendfile_names_the_file_itself(handing: Served, root: Path) -> None:
    response = handing.request("GET", f"/sendfile?{root}/sub/large.bin")
    assert (response.status, response.body) == (200, LARGE)
    assert response.header("x-sendfile") is None


def test_ranges_and_conditions_are_the_files(handing: Served) -> None:
    target = "/accel?/protected/sub/large.bin"
    whole = handing.request("GET", target)
    assert whole.body == LARGE
    part = handing.request("GET", target, [("range", "bytes=1000-1009")])
    assert (part.status, part.body) == (206, LARGE[1000:1010])
    assert part.header("cache-control") == "private"
    known = handing.request("GET", target, [("if-none-match", whole.header("etag"))])
    assert (known.status, known.body) == (304, b"")
    assert known.header("set-cookie") == "seen=1"
    assert known.header("content-type") is None
    posted = handing.request("POST", target, [("range", "bytes=0-0")], b"form")
    assert (posted.status, posted.body) == (200, LARGE)
    head = handing.request("HEAD", target)
    assert (head.status, head.body) == (200, b"")
    assert head.header("content-length") == str(len(LARGE))


def test_requests_follow_on_one_connection(handing: Served) -> None:
    client = handing.connect()
    for path in ("sub/large.bin", "a%20b.txt", "sub/large.bin"):
        assert client.request("GET", f"/accel?/protected/{path}").status == 200


@pytest.mark.parametrize(
    "path",
    ["no.txt", "../secret.txt", "%2e%2e/secret.txt", "sub", "sub/", "", "sub//large.bin"],
)
def test_what_is_not_there_is_404(handing: Served, path: str) -> None:
    response = handing.request("GET", f"/accel?/protected/{path}")
    assert response.status == 404
    assert b"secret" not in response.body
    assert "named a file that is not there" in handing.taken_log()


def test_other_directories_are_not_sent_from(handing: Served, root: Path) -> None:
    for target in ("/accel?/other/a.txt", "/sendfile?/etc/passwd", f"/sendfile?{root}x/a"):
        response = handing.request("GET", target)
        assert response.status == 500
        assert "no --accel-redirect has that directory" in handing.taken_log()


def test_clients_cannot_ask_for_them(handing: Served) -> None:
    response = handing.request("GET", "/protected/a%20b.txt")
    assert b"0123456789" not in response.body
    handing.taken_log()


def test_without_the_option_the_field_goes_to_the_proxy_in_front(served: Serve) -> None:
    one = served(asgi).start()
    response = one.request("GET", "/accel?/protected/a")
    assert response.header("x-accel-redirect") == "/protected/a"
    assert response.body == b"dropped" * 4


def test_a_client_that_leaves_in_the_middle(handing: Served, root: Path) -> None:
    (root / "big.bin").write_bytes(bytes(4_000_000))
    client = handing.connect(receive_buffer=4096)
    client.open("GET", "/accel?/protected/big.bin").head()
    client.reset()
    handing.wait_until_quiet()
    handing.wait_until(lambda: not is_open(root / "big.bin"))


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with the body of the request, piece by piece."""
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"b")]})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


def test_responses_without_a_file_are_as_ever(served: Serve, root: Path) -> None:
    one = served(echo, accel_redirect={"/protected": str(root)}).start()
    response = one.request("POST", "/", (), LARGE)
    assert (response.status, response.body) == (201, LARGE)
    assert response.header("x-a") == "b"
