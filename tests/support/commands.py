"""Runs `bascule` commands as a user at a terminal does."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.server import Server

DEADLINE = 30.0


def clean_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the tests without settings in it, and what `env` adds."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "BASCULE_PURE" or not name.startswith(("BASCULE_", "PORT", "FORWARDED_"))
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **(env or {})}


def bascule(
    *args: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself; no traceback of ours may ever be seen."""
    done = subprocess.run(
        [sys.executable, "-m", "bascule", *args],
        cwd=cwd,
        env=clean_environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "bascule/" not in done.stderr, done.stderr
    return done


@contextmanager
def started(
    *args: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    port: int = 0,
    fds: Sequence[int] = (),
) -> Iterator[Server]:
    """Run a command that serves until it is stopped; `port` is the port that it will use."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bascule", *args],
        cwd=cwd,
        env=clean_environment(env),
        pass_fds=fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    server = Server(process, port, "http")
    try:
        yield server
        server.stop()
    except BaseException as error:
        server.kill()
        error.add_note(f"--- output ---\n{server.output()}")
        raise
