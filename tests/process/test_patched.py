"""Applications under gevent and eventlet are refused at the start, with the reason."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.commands import bascule
from support.http import exchange
from support.server import running

PATCHES = {
    "gevent": "from gevent import monkey\nmonkey.patch_all()\n",
    "eventlet": "import eventlet\neventlet.monkey_patch()\n",
}
APPLICATIONS = """
import time

def wsgi(environ, start_response):
    time.sleep(0.001)  # patched: it lets other greenlets run
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]

async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
    await send(start)
    await send({"type": "http.response.body", "body": b"hello"})
"""
ALTERNATIVE = "--threads 0, without --workers or --reload"


@pytest.fixture(params=PATCHES)
def library(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    (tmp_path / "patched.py").write_text(PATCHES[request.param] + APPLICATIONS)
    (tmp_path / "plain.py").write_text(APPLICATIONS)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(PATCHES[request.param])
    return str(request.param)


# Both libraries warn of their age.
QUIET = {"PYTHONWARNINGS": "ignore"}


def customized(folder: Path) -> dict[str, str]:
    """Variables of a process that is patched before anything of ours runs in it."""
    path = os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", "")])
    return {**QUIET, "PYTHONPATH": path}


@pytest.mark.parametrize("options", [[], ["--loop", "asyncio"]])
def test_an_application_that_has_patched_threads(
    library: str, tmp_path: Path, options: Sequence[str]
) -> None:
    done = bascule("serve", "patched:wsgi", "--port", "0", *options, cwd=tmp_path, env=QUIET)
    assert done.returncode == 2
    assert f"bascule: {library} has replaced Python's threads" in done.stderr
    assert "requests would wait forever" in done.stderr
    assert ALTERNATIVE in done.stderr


@pytest.mark.parametrize("options", [["--workers", "1"], ["--workers", "1", "--preload"]])
def test_workers_of_such_an_application(
    library: str, tmp_path: Path, options: Sequence[str]
) -> None:
    done = bascule("serve", "patched:asgi", "--port", "0", *options, cwd=tmp_path, env=QUIET)
    assert done.returncode != 0
    assert f"{library} has replaced Python's threads" in done.stderr
    assert "workers and their supervisor would wait forever" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "requests would wait forever"),
        (["--workers", "1"], "workers and their supervisor would wait forever"),
        (["--reload"], "the reloader would wait forever"),
    ],
)
def test_what_was_patched_before_the_start(
    library: str, tmp_path: Path, options: Sequence[str], words: str
) -> None:
    done = bascule(
        "serve", "plain:wsgi", "--port", "0", *options, cwd=tmp_path, env=customized(tmp_path)
    )
    assert done.returncode == 2
    assert f"bascule: {library} has replaced Python's threads" in done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("target", "options"), [("patched:wsgi", ["--threads", "0"]), ("patched:asgi", [])]
)
def test_what_runs_on_the_loop_is_served(
    library: str, tmp_path: Path, target: str, options: Sequence[str]
) -> None:
    with running(target, *options, cwd=tmp_path, env=QUIET) as server:
        assert exchange(server.port, "GET", "/").body == b"hello"
        assert server.stop() == 0
        assert f"WARNING {library} has replaced Python" in server.output()
