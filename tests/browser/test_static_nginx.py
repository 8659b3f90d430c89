"""Static files as nginx serves them: 2,000 requests to both, and a reason for every difference."""

import gzip
import os
import random
import select
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bascule.dates import http_date
from support.client import Http1Client
from support.http import Response
from support.inprocess import Served
from support.needs import program

pytestmark = pytest.mark.browser

REQUESTS = 2000
MODIFIED = 1_700_000_000
CONFIGURATION = """
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    gzip_static on;
    gzip_vary on;
    if_modified_since before;
    disable_symlinks if_not_owner from={directory}/root;
    server {{
        listen 127.0.0.1:{port};
        root {directory}/root;
        location / {{ }}
    }}
}}
"""


@dataclass
class Asked:
    """One request. tag: where the entity tag of the last response stands in a field, for "TAG"."""

    method: str
    target: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    def has(self, name: str) -> str:
        return next((value for key, value in self.fields if key == name), "")


def site(root: Path) -> None:
    (root / "css").mkdir(parents=True)
    (root / "docs").mkdir()
    (root / "bare").mkdir()
    contents = {
        "a.txt": b"0123456789" * 10,
        "empty.txt": b"",
        "index.html": b"<h1>home</h1>",
        "docs/index.html": b"<h1>docs</h1>",
        "css/site.css": b"body {}" * 100,
        "css/site.css.gz": gzip.compress(b"body {}" * 100, mtime=0),
        "large.bin": bytes(range(256)) * 2000,
        ".env": b"SECRET",
        "a b.txt": b"blank",
    }
    for name, content in contents.items():
        (root / name).write_bytes(content)
        os.utime(root / name, (MODIFIED, MODIFIED))
    (root / "link.txt").symlink_to("a.txt")


TARGETS = (
    "/a.txt", "/a.txt", "/a.txt", "/large.bin", "/css/site.css", "/css/site.css", "/empty.txt",
    "/", "/docs/", "/docs", "/docs?a=b", "/bare", "/bare/", "/no.txt", "/css/no", "/a.txt/",
    "/a.txt/b", "/.env", "/a%20b.txt", "/%61.txt", "/css/../a.txt", "/../a.txt", "/%2e%2e/a.txt",
    "/css/%2e%2e/a.txt", "//a.txt", "/css//site.css", "/./a.txt", "/a.txt?x=1", "/link.txt",
    "/a.txt%00", "/css%2fsite.css", "/a.txt%20", "/..%5ca.txt",
)  # fmt: skip
RANGES = (
    "bytes=0-9", "bytes=10-", "bytes=-5", "bytes=0-0,5-9", "bytes=50-59,0-9", "bytes=99999999-",
    "bytes=-0", "bytes=0-99999999", "bytes=5-1", "bytes=a-b", "bytes=", "lines=0-1", "bytes=0-",
    "bytes=0-5,3-9", "bytes=-5,-5", "bytes=0-0,-1", "bytes=1-2,3",
)  # fmt: skip
DATES = [http_date(MODIFIED + step).decode() for step in (-1, 0, 1)] + ["yesterday"]
TAGS = ("TAG", "W/TAG", '"other"', '"other", TAG', "*", "unquoted")
CODINGS = ("gzip", "gzip;q=0", "br", "*", "identity", "gzip, br", "gzip;q=0.5, identity")


def requests(seed: int) -> Iterator[Asked]:
    """The same 2,000 requests each time."""
    choose = random.Random(seed)
    for _ in range(REQUESTS):
        method = choose.choice(("GET", "GET", "GET", "GET", "HEAD", "POST"))
        fields = []
        for name, values, chance in (
            ("range", RANGES, 0.5),
            ("if-range", (*DATES, *TAGS[:3]), 0.15),
            ("if-none-match", TAGS, 0.15),
            ("if-modified-since", DATES, 0.15),
            ("if-match", TAGS, 0.1),
            ("if-unmodified-since", DATES, 0.1),
            ("accept-encoding", CODINGS, 0.4),
        ):
            if choose.random() < chance:
                fields.append((name, choose.choice(values)))
        yield Asked(method, choose.choice(TARGETS), fields)


class Peer:
    """One of the two servers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.tags: dict[tuple[str, str], str] = {}

    def ask(self, asked: Asked) -> Response:
        coding = asked.has("accept-encoding")
        tag = self.tag_of(asked.target, coding)
        fields = [(name, value.replace("TAG", tag)) for name, value in asked.fields]
        return self.send(asked.method, asked.target, fields)

    def tag_of(self, target: str, coding: str) -> str:
        """The entity tag that this server gives to a file."""
        key = (target, coding)
        if key not in self.tags:
            fields = [("accept-encoding", coding)] if coding else []
            self.tags[key] = self.send("GET", target, fields).header("etag") or '"none"'
        return self.tags[key]

    def send(self, method: str, target: str, fields: list[tuple[str, str]]) -> Response:
        client = Http1Client(self.port)
        try:
            return client.request(method, target, fields)
        finally:
            client.close()


def seen(response: Response, method: str) -> tuple[object, ...]:
    """The fields that must be the same."""
    if response.status >= 400 or response.status == 301:
        return (response.status,)
    kind = response.header("content-type") or ""
    if kind.startswith("multipart/"):
        return (response.status, "multipart", parts_of(response) if method == "GET" else ())
    return (
        response.status,
        response.header("content-range"),
        response.header("content-encoding"),
        response.header("content-length") if response.status != 304 else None,
        response.body,
    )


def parts_of(response: Response) -> tuple[bytes, ...]:
    """The contents of a multipart body, without its boundaries and the case of its fields."""
    boundary = (response.header("content-type") or "").partition("boundary=")[2].encode()
    pieces = response.body.split(b"--" + boundary)[1:-1]
    return tuple(piece.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for piece in pieces)


# Each reason says when the two may differ.
Reason = Callable[[Asked, Response, Response], bool]


def path_of(asked: Asked) -> str:
    return asked.target.partition("?")[0]


REASONS: dict[str, Reason] = {
    # Names that begin with a dot are not served unasked: .env and .git are what scanners look for.
    "dot files": lambda asked, ours, theirs: path_of(asked) == "/.env" and ours.status == 404,
    # nginx merges slashes and resolves dots before it looks for a file. We serve a file under one
    # path only, so that what stands in front (caches, access rules) cannot see another.
    "one path for a file": lambda asked, ours, theirs: (
        ours.status in (400, 404)
        and any(piece in asked.target for piece in ("//", "/.", "%2e", "%2f", "%00"))
    ),
    # Only GET and HEAD are redirected: a form that is sent to a directory is a mistake.
    "405 before a redirect": lambda asked, ours, theirs: (
        asked.method == "POST" and (ours.status, theirs.status) == (405, 301)
    ),
    # Of several ranges those that can be had are sent (section 14.1.2); nginx then sends
    # everything where the others begin past the end of a compressed file.
    "some of the ranges": lambda asked, ours, theirs: (
        asked.has("range") == "bytes=50-59,0-9" and asked.target == "/css/site.css"
    ),
    # Section 13.1.4: a date that is none is ignored; nginx takes it for one long ago.
    "no date": lambda asked, ours, theirs: (
        asked.has("if-unmodified-since") == "yesterday" and theirs.status == 412
    ),
    # A directory without an index is a 404, as what is not there; nginx tells by 403 that it is.
    "directories are not told": lambda asked, ours, theirs: (
        path_of(asked) in ("/bare", "/bare/")
        and ours.status == 404
        and theirs.status in (301, 403)
    ),
    # RFC 9110 section 14.2: Range has no meaning for HEAD.
    "no range for HEAD": lambda asked, ours, theirs: (
        asked.method == "HEAD"
        and bool(asked.has("range"))
        and ours.status == 200
        and theirs.status in (206, 416)
    ),
    # A malformed Range is ignored (section 14.2 allows both); nginx answers 416.
    "malformed ranges are ignored": lambda asked, ours, theirs: (
        asked.has("range") in ("bytes=5-1", "bytes=a-b", "bytes=", "bytes=1-2,3")
        and ours.status == 200
        and theirs.status == 416
    ),
    # Ranges that overlap ask for bytes twice (section 14.2); the whole is sent once.
    "overlapping ranges": lambda asked, ours, theirs: (
        asked.has("range") in ("bytes=0-5,3-9", "bytes=-5,-5")
        and ours.status == 200
        and theirs.status == 206
    ),
    # Strong validators: nginx weakens nothing here, but compares If-Match before it has chosen
    # the compressed file.
    "If-Match of the file that is sent": lambda asked, ours, theirs: (
        bool(asked.has("if-match")) and asked.target.startswith("/css/site.css")
    ),
    # nginx takes If-Modified-Since and If-None-Match together; section 13.1.3 has the first
    # ignored where there is the second.
    "If-None-Match goes before If-Modified-Since": lambda asked, ours, theirs: bool(
        asked.has("if-none-match") and asked.has("if-modified-since")
    ),
    # Section 13.2.2: If-Unmodified-Since is ignored where there is If-Match; nginx checks both.
    "If-Match goes before If-Unmodified-Since": lambda asked, ours, theirs: bool(
        asked.has("if-match") and asked.has("if-unmodified-since")
    ),
    # "*" in Accept-Encoding covers gzip (section 12.5.3); nginx looks for the word.
    "any coding": lambda asked, ours, theirs: (
        asked.has("accept-encoding") == "*" and asked.target.startswith("/css/site.css")
    ),
    # A client that likes the plain file better gets it.
    "identity is preferred": lambda asked, ours, theirs: (
        asked.has("accept-encoding") == "gzip;q=0.5, identity"
        and asked.target.startswith("/css/site.css")
    ),
    # nginx has no ranges of an empty file, and ours are unsatisfiable where they name a byte.
    "ranges of nothing": lambda asked, ours, theirs: (
        path_of(asked) == "/empty.txt" and bool(asked.has("range"))
    ),
}


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[int]:
    path = program("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    site(tmp_path / "root")
    tmp_path.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(user + CONFIGURATION.format(directory=tmp_path, port=port))
    command = [path, "-p", str(tmp_path), "-c", str(configuration)]
    # It goes into the background when it listens.
    started = subprocess.run(command, capture_output=True, text=True, check=False)
    assert started.returncode == 0, started.stderr
    pid = int((tmp_path / "nginx.pid").read_text())
    try:
        yield port
    finally:
        gone = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        assert select.select([gone], [], [], 10)[0]
        os.close(gone)


def test_every_difference_to_nginx_has_a_reason(nginx: int, tmp_path: Path) -> None:
    with Served(None, static={"/": str(tmp_path / "root")}) as served:
        ours, theirs = Peer(served.port), Peer(nginx)
        unexplained = []
        used: Counter[str] = Counter()
        for asked in requests(20261201):
            one, other = ours.ask(asked), theirs.ask(asked)
            if seen(one, asked.method) == seen(other, asked.method):
                used["none"] += 1
                continue
            reason = next(
                (name for name, holds in REASONS.items() if holds(asked, one, other)), ""
            )
            used[reason] += 1
            if not reason:
                unexplained.append((asked, seen(one, asked.method), seen(other, asked.method)))
    assert unexplained == []
    assert used["none"] > REQUESTS / 2
    # A reason that is never needed hides what it was for.
    assert set(REASONS) <= set(used)
