"""Files of --static, over each protocol: what is sent, what is not, and what is left to the
application."""

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bascule.dates import http_date, parse_date
from bascule.errors import UsageError
from bascule.interfaces.static import files
from bascule.interfaces.static import http as static_http
from bascule.interfaces.static.files import SENT_WHOLE
from support.files import (
    SPELLINGS,
    drop_from_cache,
    is_open,
    only_cached_sent,
    slow_disk,
    untold_directory,
)
from support.inprocess import Served

Serve = Callable[..., Served]
LARGE = bytes(range(256)) * 4096  # 1 MiB
MODIFIED = 1_700_000_000


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers everything with its path."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"yes")]})
    await send({"type": "http.response.body", "body": f"app {scope['path']}".encode()})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "css").mkdir(parents=True)
    (root / "docs").mkdir()
    contents = {
        "a.txt": b"0123456789",
        "empty.txt": b"",
        "css/site.css": b"body {}" * 10,
        "css/site.css.gz": gzip.compress(b"body {}" * 10),
        "css/site.css.br": b"not really brotli",
        "docs/index.html": b"<h1>docs</h1>",
        "large.bin": LARGE,
        "main.4f2a9c1be03d.css": b"hashed",
        ".env": b"SECRET=1",
    }
    for name, content in contents.items():
        (root / name).write_bytes(content)
        os.utime(root / name, (MODIFIED, MODIFIED))
    (tmp_path / "secret.txt").write_text("secret")
    return root


@pytest.fixture
def static(served: Serve, root: Path) -> Served:
    """The directory below /static, with an application beside it."""
    return served(app, static={"/static": str(root)}).start()


def test_a_file(static: Served) -> None:
    response = static.request("GET", "/static/a.txt")
    assert (response.status, response.body) == (200, b"0123456789")
    assert response.header("content-length") == "10"
    assert response.header("content-type") == "text/plain; charset=utf-8"
    assert response.header("last-modified") == http_date(MODIFIED).decode()
    assert str(response.header("etag")).startswith('"')
    assert response.header("accept-ranges") == "bytes"
    assert response.header("x-content-type-options") == "nosniff"
    assert response.header("cache-control") == "public, max-age=60"


def test_head_has_the_fields_and_no_body(static: Served) -> None:
    get, head = (static.request(method, "/static/large.bin") for method in ("GET", "HEAD"))
    assert head.status == 200
    assert head.body == b""
    differing = {"date"}
    assert [f for f in head.headers if f[0] not in differing] == [
        f for f in get.headers if f[0] not in differing
    ]


def test_a_large_file_arrives_whole(static: Served) -> None:
    response = static.request("GET", "/static/large.bin")
    assert response.status == 200
    assert response.body == LARGE


def test_requests_follow_on_one_connection(static: Served) -> None:
    client = static.connect()
    for path in ("large.bin", "a.txt", "empty.txt", "no.txt", "large.bin", "a.txt"):
        response = client.request("GET", f"/static/{path}")
        assert response.status == (404 if path == "no.txt" else 200)


def test_an_empty_file(static: Served) -> None:
    response = static.request("GET", "/static/empty.txt")
    assert (response.status, response.body) == (200, b"")
    assert response.header("content-length") == "0"


def test_a_hashed_name_is_kept_for_good(static: Served) -> None:
    response = static.request("GET", "/static/main.4f2a9c1be03d.css")
    assert response.header("cache-control") == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "target",
    [
        "/static/no.txt",
        "/static/.env",
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/css/..%2f..%2fsecret.txt",
        "/static/a.txt/",
        "/static/a.txt/x",
        "/static//a.txt",
        "/static/css",
        "/static/css/",
        "/static/",
        "/static",
        "/static/a.txt%00",
    ],
)
def test_what_is_not_there_is_404(static: Served, target: str) -> None:
    response = static.request("GET", target)
    assert response.status == 404
    assert b"secret" not in response.body
    assert b"SECRET" not in response.body


def test_links_out_of_the_directory_are_followed_only_if_asked(served: Serve, root: Path) -> None:
    (root / "out.txt").symlink_to("../secret.txt")
    (root / "in.txt").symlink_to("a.txt")
    plain = served(app, static={"/static": str(root)}).start()
    assert plain.request("GET", "/static/out.txt").status == 404
    assert plain.request("GET", "/static/in.txt").body == b"0123456789"
    asked = served(app, static={"/static": str(root)}, static_symlinks=True).start()
    assert asked.request("GET", "/static/out.txt").body == b"secret"


def test_dot_files_are_served_only_if_asked(served: Serve, root: Path) -> None:
    (root / ".well-known").mkdir()
    (root / ".well-known" / "security.txt").write_text("Contact: us")
    plain = served(app, static={"/": str(root)}).start()
    assert plain.request("GET", "/.well-known/security.txt").body == b"Contact: us"
    assert plain.request("GET", "/.env").body == b"app /.env"
    asked = served(app, static={"/": str(root)}, static_dot_files=True).start()
    assert asked.request("GET", "/.env").body == b"SECRET=1"


def test_methods(static: Served) -> None:
    options = static.request("OPTIONS", "/static/a.txt")
    assert options.status == 204
    assert options.header("allow") == "GET, HEAD, OPTIONS"
    assert static.request("POST", "/static/no.txt").status == 404
    for method in ("POST", "PUT", "DELETE"):
        response = static.request(method, "/static/a.txt")
        assert response.status == 405
        assert response.header("allow") == "GET, HEAD, OPTIONS"


def test_the_application_has_its_own_paths(static: Served) -> None:
    assert static.request("GET", "/").body == b"app /"
    assert static.request("GET", "/staticfiles").body == b"app /staticfiles"


def test_at_the_root_the_application_gets_what_is_no_file(served: Serve, root: Path) -> None:
    one = served(app, static={"/": str(root)}).start()
    assert one.request("GET", "/a.txt").body == b"0123456789"
    assert one.request("GET", "/api/users").body == b"app /api/users"
    assert one.request("POST", "/a.txt").body == b"app /a.txt"
    assert one.request("GET", "/").body == b"app /"


def test_below_the_prefix_of_a_proxy(served: Serve, root: Path) -> None:
    one = served(app, static={"/static": str(root)}, forwarded_headers="x-forwarded-prefix")
    prefix = [("x-forwarded-prefix", "/shop")]
    one.start()
    for path in ("/shop/static/a.txt", "/static/a.txt"):
        assert one.request("GET", path, prefix).body == b"0123456789"
    assert one.request("GET", "/shop/static/no.txt", prefix).status == 404
    assert one.request("GET", "/shop/users", prefix).body.startswith(b"app ")


def test_no_application_is_needed(served: Serve, root: Path) -> None:
    one = served(None, static={"/": str(root)}).start()
    assert one.request("GET", "/a.txt").body == b"0123456789"
    assert one.request("GET", "/no").status == 404
    assert one.request("POST", "/a.txt").status == 405


def test_directories(static: Served) -> None:
    response = static.request("GET", "/static/docs/")
    assert (response.status, response.body) == (200, b"<h1>docs</h1>")
    assert response.header("content-type") == "text/html; charset=utf-8"
    redirect = static.request("GET", "/static/docs?a=b")
    assert redirect.status == 301
    assert redirect.header("location") == "./docs/?a=b"


def test_404_html_is_sent_with_its_status(served: Serve, root: Path) -> None:
    (root / "404.html").write_text("<h1>lost</h1>")
    one = served(app, static={"/static": str(root)}).start()
    response = one.request("GET", "/static/no.txt")
    assert (response.status, response.body) == (404, b"<h1>lost</h1>")
    again = one.request(
        "GET",
        "/static/no.txt",
        [("if-none-match", response.header("etag")), ("range", "bytes=0-0")],
    )
    assert (again.status, again.body) == (404, b"<h1>lost</h1>")


def test_page_loads_get_the_fallback(served: Serve, root: Path) -> None:
    (root / "index.html").write_text("<h1>single page</h1>")
    one = served(app, static={"/": str(root)}, static_fallback="index.html").start()
    html = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")]
    assert one.request("GET", "/users/7", html).body == b"<h1>single page</h1>"
    assert one.request("GET", "/users/7", [("accept", "application/json")]).body == b"app /users/7"
    assert one.request("GET", "/missing.js", html).body == b"app /missing.js"


# Conditions and ranges; which is which is in tests/unit/interfaces/test_static_*.


def test_conditions(static: Served) -> None:
    first = static.request("GET", "/static/a.txt")
    tag, modified = first.header("etag"), first.header("last-modified")
    for fields in ([("if-none-match", tag)], [("if-modified-since", modified)]):
        response = static.request("GET", "/static/a.txt", fields)
        assert (response.status, response.body) == (304, b"")
        assert response.header("etag") == tag
        assert response.header("cache-control") == "public, max-age=60"
        assert response.header("content-type") is None
    failed = static.request("GET", "/static/a.txt", [("if-match", '"other"')])
    assert failed.status == 412
    assert static.request("GET", "/static/a.txt", [("if-match", tag)]).status == 200


def test_a_changed_file_has_another_tag(
    static: Served, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FRESH_FOR", 0.0)
    tag = static.request("GET", "/static/a.txt").header("etag")
    (root / "b.txt").write_bytes(b"9876543210")
    os.rename(root / "b.txt", root / "a.txt")
    response = static.request("GET", "/static/a.txt", [("if-none-match", tag)])
    assert (response.status, response.body) == (200, b"9876543210")
    assert response.header("etag") != tag
    os.unlink(root / "a.txt")
    assert static.request("GET", "/static/a.txt").status == 404


def test_a_directory_that_is_replaced_by_a_link_to_another(
    served: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the files are new whose paths were asked for before, and are still in the old one."""
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        for name in ("index.html", "a.txt"):
            (tmp_path / release / name).write_text(f"{name} of {release}")
    current = tmp_path / "current"
    current.symlink_to("one")
    monkeypatch.setattr(files, "FRESH_FOR", 0.0)
    static = served(app, static={"/static": str(current)}).start()
    for path, name in (("", "index.html"), ("a.txt", "a.txt")):
        assert static.request("GET", f"/static/{path}").body.decode() == f"{name} of one"
    (tmp_path / "next").symlink_to("two")
    os.rename(tmp_path / "next", current)
    for path, name in (("a.txt", "a.txt"), ("", "index.html")):
        assert static.request("GET", f"/static/{path}").body.decode() == f"{name} of two"


@pytest.mark.parametrize("path", ["/static/a.txt", "/static/docs/", "/static/%61.txt"])
def test_a_path_is_read_once_a_second(
    static: Served, root: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """In between, its file is known by the path of the request."""
    asked = []
    file_path = static_http.file_path
    monkeypatch.setattr(
        static_http, "file_path", lambda *given: asked.append(given) or file_path(*given)
    )
    bodies = [static.request("GET", path).body for _ in range(3)]
    assert bodies[0]
    assert bodies == bodies[:1] * 3
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["a.txt", "large.bin"])
def test_a_file_that_is_replaced_before_it_is_opened(
    static: Served, root: Path, name: str
) -> None:
    """It was looked up a moment ago: the new one is sent, with its own fields."""
    static.request("HEAD", f"/static/{name}")
    content = b"new" * 100_000
    (root / "new").write_bytes(content)
    os.rename(root / "new", root / name)
    response = static.request("GET", f"/static/{name}")
    assert (response.status, response.body) == (200, content)
    assert response.header("content-length") == str(len(content))


@pytest.mark.parametrize("name", ["a.txt", "large.bin"])
def test_ranges(static: Served, root: Path, name: str) -> None:
    content = (root / name).read_bytes()
    size = len(content)
    for asked, start, end in (
        ("bytes=0-4", 0, 5),
        ("bytes=5-", 5, size),
        ("bytes=-3", size - 3, size),
        (f"bytes=2-{size + 100}", 2, size),
    ):
        response = static.request("GET", f"/static/{name}", [("range", asked)])
        assert response.status == 206
        assert response.body == content[start:end]
        assert response.header("content-range") == f"bytes {start}-{end - 1}/{size}"
        assert response.header("content-length") == str(end - start)
    beyond = static.request("GET", f"/static/{name}", [("range", f"bytes={size}-")])
    assert beyond.status == 416
    assert beyond.header("content-range") == f"bytes */{size}"
    ignored = static.request("GET", f"/static/{name}", [("range", "lines=1-2")])
    assert (ignored.status, ignored.body) == (200, content)
    head = static.request("HEAD", f"/static/{name}", [("range", "bytes=0-4")])
    assert (head.status, head.header("content-length")) == (200, str(size))


@pytest.mark.parametrize(
    ("name", "ranges"),
    [("a.txt", [(0, 2), (5, 6)]), ("large.bin", [(0, 70_000), (500_000, 900_000)])],
)
def test_several_ranges(
    static: Served, root: Path, name: str, ranges: list[tuple[int, int]]
) -> None:
    content = (root / name).read_bytes()
    asked = ",".join(f"{start}-{end - 1}" for start, end in ranges)
    response = static.request("GET", f"/static/{name}", [("range", f"bytes={asked}")])
    assert response.status == 206
    kind, _, boundary = str(response.header("content-type")).partition("; boundary=")
    assert kind == "multipart/byteranges"
    expected = b""
    inner = static.request("HEAD", f"/static/{name}").header("content-type")
    for start, end in ranges:
        expected += (
            f"\r\n--{boundary}\r\ncontent-type: {inner}\r\n"
            f"content-range: bytes {start}-{end - 1}/{len(content)}\r\n\r\n"
        ).encode()
        expected += content[start:end]
    assert response.body == expected + f"\r\n--{boundary}--\r\n".encode()
    assert response.header("content-length") == str(len(response.body))


def test_if_range(static: Served) -> None:
    tag = static.request("HEAD", "/static/a.txt").header("etag")
    for condition, status in ((tag, 206), ('"other"', 200)):
        fields = [("range", "bytes=0-0"), ("if-range", condition)]
        assert static.request("GET", "/static/a.txt", fields).status == status


# Precompressed neighbours.


def test_precompressed_files(static: Served, root: Path) -> None:
    path = "/static/css/site.css"
    plain = static.request("GET", path)
    assert plain.body == (root / "css/site.css").read_bytes()
    assert plain.header("content-encoding") is None
    assert plain.header("vary") == "accept-encoding"
    gzipped = static.request("GET", path, [("accept-encoding", "gzip, deflate")])
    assert gzipped.body == (root / "css/site.css.gz").read_bytes()
    assert gzipped.header("content-encoding") == "gzip"
    assert gzipped.header("content-type") == "text/css; charset=utf-8"
    assert gzipped.header("vary") == "accept-encoding"
    brotli = static.request("GET", path, [("accept-encoding", "gzip, br")])
    assert brotli.header("content-encoding") == "br"
    assert len({r.header("etag") for r in (plain, gzipped, brotli)}) == 3
    unchanged = static.request(
        "GET", path, [("accept-encoding", "gzip"), ("if-none-match", gzipped.header("etag"))]
    )
    assert unchanged.status == 304
    assert unchanged.header("vary") == "accept-encoding"
    assert static.request("GET", "/static/a.txt").header("vary") is None


def test_a_range_is_one_of_the_compressed_bytes(static: Served, root: Path) -> None:
    fields = [("accept-encoding", "gzip"), ("range", "bytes=0-1")]
    response = static.request("GET", "/static/css/site.css", fields)
    assert (response.status, response.body) == (206, b"\x1f\x8b")


# Rules that hold between responses (RFC 9110), as a linter for HTTP checks them.


def test_rules_between_responses(static: Served, root: Path) -> None:
    for name in ("a.txt", "css/site.css", "large.bin", "docs/", "empty.txt"):
        path = f"/static/{name}"
        for coding in ("", "gzip", "br"):
            accepted = [("accept-encoding", coding)] if coding else []
            whole = static.request("GET", path, accepted)
            head = static.request("HEAD", path, accepted)
            tag = whole.header("etag")
            known = static.request("GET", path, [*accepted, ("if-none-match", tag)])
            part = static.request("GET", path, [*accepted, ("range", "bytes=0-0")])
            # An empty file has no range, and the error about it is not a version of the file.
            versions = (whole, head, known) if name == "empty.txt" else (whole, head, known, part)
            for response in versions:
                # One version has one entity tag, whichever response names it (section 8.8.3).
                assert response.header("etag") == tag
                assert response.header("vary") == whole.header("vary")
                assert response.header("cache-control") == whole.header("cache-control")
                assert response.header("date") is not None
                modified = parse_date(str(whole.header("last-modified")).encode())
                date = parse_date(str(response.header("date")).encode())
                assert modified is not None
                assert date is not None
                # Section 8.8.2.1.
                assert modified <= date
            assert not str(tag).startswith("W/")
            assert head.header("content-length") == str(len(whole.body))
            assert head.header("content-encoding") == whole.header("content-encoding")
            assert (known.status, known.body, known.header("content-length")) == (304, b"", None)
            if name == "empty.txt":
                assert part.status == 416
                continue
            assert (part.status, part.body) == (206, whole.body[:1])
            assert part.header("content-encoding") == whole.header("content-encoding")
            assert part.header("content-range") == f"bytes 0-0/{len(whole.body)}"


def test_a_file_of_the_future_is_not_newer_than_its_response(static: Served, root: Path) -> None:
    os.utime(root / "a.txt", (2**32, 2**32))
    response = static.request("GET", "/static/a.txt")
    modified = parse_date(str(response.header("last-modified")).encode())
    date = parse_date(str(response.header("date")).encode())
    assert modified is not None
    assert date is not None
    assert modified <= date


def test_no_spelling_leaves_the_directory(static: Served) -> None:
    client = static.connect()
    # A request target has no blanks; those are tried without a connection.
    for path in (one for one in SPELLINGS if b" " not in one):
        response = client.request("GET", "/static" + path.decode("latin-1"))
        assert response.status in (400, 404), path
        assert b"secret" not in response.body
        if response.status == 400:
            client = static.connect()


# Files that change.


def cut_short(path: Path) -> None:
    os.truncate(path, 2_000_000)


def written_to(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(3_000_000)
        file.write(b"other bytes")


@pytest.mark.parametrize("change", [cut_short, written_to])
def test_a_file_that_changes_while_it_is_sent(
    static: Served, root: Path, change: Callable[[Path], None]
) -> None:
    """A response that looks complete is complete."""
    path = root / "big.bin"
    path.write_bytes(bytes(4_000_000))
    client = static.connect(receive_buffer=4096)
    stream = client.open("GET", "/static/big.bin")
    assert stream.head().header("content-length") == "4000000"
    change(path)
    assert len(stream.read_broken()) < 4_000_000
    static.wait_until(lambda: static.logged("while it was sent"))
    static.taken_log()


def replaced(path: Path) -> None:
    path.with_name("new").write_bytes(b"new")
    os.rename(path.with_name("new"), path)


def unreadable(path: Path) -> None:
    path.chmod(0)


@pytest.mark.parametrize("change", [replaced, Path.unlink, unreadable])
def test_a_file_that_is_taken_away_while_it_is_sent_arrives_as_it_was(
    static: Served, root: Path, change: Callable[[Path], None]
) -> None:
    client = static.connect(receive_buffer=4096)
    stream = client.open("GET", "/static/large.bin")
    stream.head()
    change(root / "large.bin")
    assert (stream.response().body == LARGE) is True


def test_a_client_that_leaves_in_the_middle(static: Served, root: Path) -> None:
    (root / "big.bin").write_bytes(bytes(4_000_000))
    client = static.connect(receive_buffer=4096)
    client.open("GET", "/static/big.bin").head()
    client.reset()
    static.wait_until_quiet()
    static.wait_until(lambda: not is_open(root / "big.bin"))


COLD = {
    "read whole": (100_000, None),
    "sent in pieces": (len(LARGE), None),
    "the last bytes alone": (len(LARGE), f"bytes=0-299999,{len(LARGE) - 10}-{len(LARGE) - 1}"),
}


@pytest.fixture
def untold(served: Serve) -> Iterator[tuple[Served, Path]]:
    """A directory whose file system cannot say what is in memory."""
    with untold_directory() as root:
        (root / "a.txt").write_bytes(b"0123456789")
        yield served(app, static={"/static": str(root)}).start(), root


@pytest.mark.parametrize(("size", "asked"), COLD.values(), ids=COLD.keys())
def test_a_file_on_a_slow_disk_delays_nobody_else(
    untold: tuple[Served, Path], monkeypatch: pytest.MonkeyPatch, size: int, asked: str | None
) -> None:
    """Its bytes are read in a thread, and other requests are answered meanwhile."""
    static, root = untold
    (root / "slow.bin").write_bytes(LARGE[:size])
    fields = [("range", asked)] if asked else []
    static.request("GET", "/static/a.txt")
    with slow_disk(monkeypatch) as disk:
        stream = static.connect().open("GET", "/static/slow.bin", fields)
        static.wait_until(lambda: bool(disk.asked))
        assert static.request("GET", "/static/a.txt").body == b"0123456789"
        disk.answers.set()
        response = stream.response()
    assert static._thread not in disk.asked
    if asked is None:
        assert response.status == 200
        assert (response.body == LARGE[:size]) is True
    else:
        assert response.status == 206
        assert (LARGE[:300_000] in response.body) is True


@pytest.mark.parametrize("size", [100_000, len(LARGE)])
def test_a_client_that_leaves_while_a_disk_is_waited_for(
    untold: tuple[Served, Path], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    static, root = untold
    (root / "slow.bin").write_bytes(LARGE[:size])
    with slow_disk(monkeypatch) as disk:
        client = static.connect()
        client.open("GET", "/static/slow.bin")
        static.wait_until(lambda: bool(disk.asked))
        client.reset()
        static.wait_until_unconnected()
    static.wait_until(lambda: not is_open(root / "slow.bin"))


@pytest.mark.parametrize(("size", "asked"), COLD.values(), ids=COLD.keys())
def test_a_file_that_the_kernel_has_forgotten(
    static: Served, root: Path, monkeypatch: pytest.MonkeyPatch, size: int, asked: str | None
) -> None:
    """Whether its disk is fast or slow."""
    (root / "cold.bin").write_bytes(LARGE[:size])
    drop_from_cache(root / "cold.bin")
    assert static._thread is not None
    with only_cached_sent(monkeypatch, static._thread):
        response = static.request("GET", "/static/cold.bin", [("range", asked)] if asked else [])
    if asked is None:
        assert (response.body == LARGE[:size]) is True
    else:
        assert (LARGE[:300_000] in response.body) is True


def test_a_directory_that_is_not_there(served: Serve, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--static: the directory .*/nothing cannot be served"):
        served(app, static={"/static": str(tmp_path / "nothing")}).start()


def test_sizes_around_the_largest_that_is_sent_whole(static: Served, root: Path) -> None:
    for size in (
        1,
        1023,
        1024,
        1025,
        SENT_WHOLE - 1,
        SENT_WHOLE,
        SENT_WHOLE + 1,
        SENT_WHOLE + 1024,
        SENT_WHOLE + 1025,
    ):
        (root / f"{size}.bin").write_bytes(LARGE[:size])
        response = static.request("GET", f"/static/{size}.bin")
        assert response.body == LARGE[:size], size
