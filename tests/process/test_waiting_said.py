"""A start that takes long says what it waits for; it is the test that ends the wait."""

import os
import re

import pytest

from support.commands import started
from support.server import running

IMPORT = """
open("gate").read()

def app(environ, start_response): ...
"""
LIFESPAN = """
async def app(scope, receive, send):
    await receive()
    {wait}
    await send({{"type": "lifespan.startup.complete"}})
    await receive()
    await send({{"type": "lifespan.shutdown.complete"}})
"""
# One holds the loop, the other does not.
BLOCKING = LIFESPAN.format(wait='open("gate").read()')
WAITING = "import asyncio\n" + LIFESPAN.format(
    wait='await asyncio.to_thread(lambda: open("gate").read())'
)
WORKERS = ("--workers", "2")
PRELOAD = (*WORKERS, "--preload")


@pytest.fixture
def gate(tmp_path):
    """Opens what the application waits at."""
    path = tmp_path / "gate"
    os.mkfifo(path)

    def open_it():
        with open(path, "w"):
            pass

    return open_it


@pytest.mark.parametrize(
    ("kind", "code", "what"),
    [
        pytest.param((), IMPORT, "the import of app:app", id="single"),
        pytest.param(WORKERS, IMPORT, "the import of app:app", id="workers"),
        pytest.param(PRELOAD, IMPORT, "the import of the application", id="preload"),
        pytest.param((), BLOCKING, "lifespan startup", id="blocking"),
        pytest.param(PRELOAD, WAITING, "lifespan startup", id="waiting"),
    ],
)
def test_what_is_waited_for_is_said(tmp_path, gate, kind, code, what):
    (tmp_path / "app.py").write_text(code)
    with running("app:app", *kind, cwd=tmp_path) as server:
        output = server.wait_for_output(f"not ready yet: waiting for {what}")
        assert "listening" not in output
        gate()
        server.wait_for_output("listening on")
        assert server.stop() == 0
        # Once for all workers.
        assert server.output().count("not ready yet") == 1


def test_it_is_said_in_development(tmp_path, gate):
    (tmp_path / "app.py").write_text(IMPORT)
    with started("dev", "app:app", "--port", "0", cwd=tmp_path) as server:
        output = server.wait_for_output("not ready yet: waiting for the import of app:app")
        assert re.search(r"^\d\d:\d\d:\d\d not ready", output, re.MULTILINE)
        gate()
        server.wait_for_output("listening on")
