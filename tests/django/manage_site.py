"""Runs the commands of a manage.py as a person at a terminal does."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.client import Http1Client
from support.commands import DEADLINE, clean_environment
from support.http import Response
from support.server import Server

MANAGE = """
    import os
    import sys

    from django.core.management import execute_from_command_line

    if __name__ == "__main__":
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
        execute_from_command_line(sys.argv)
"""
# Gives a process its own terminal, so that Ctrl-C can be typed into it.
WITH_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY)
os.execv(sys.executable, [sys.executable, "manage.py", *sys.argv[1:]])
"""
LISTENING = "listening on http"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(textwrap.dedent(text))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + textwrap.dedent(text))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (old, text)
    path.write_text(text.replace(old, new))


def change(server: Server, path: Path, old: str, new: str, until: str) -> None:
    """Change a file, and wait until the server has said `until`.

    Django checks its files once a second, and takes the first state that it sees for the
    old one: so the file is touched until it has been noticed.
    """
    replace(path, old, new)
    for _ in range(20):
        try:
            server.wait_for_output(until, 2)
        except AssertionError:
            assert server.process.poll() is None
            mtime = path.stat().st_mtime + 1
            os.utime(path, (mtime, mtime))
        else:
            return
    raise AssertionError(f"{path.name} was changed, and there is no {until!r}")


def manage(
    site: Path, *args: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [sys.executable, "manage.py", *args],
        cwd=site,
        env=clean_environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@contextmanager
def managing(
    site: Path,
    *args: str,
    env: Mapping[str, str] | None = None,
    wait_for: str = LISTENING,
    program: str = "manage.py",
) -> Iterator[Server]:
    """Run a command that serves, and wait until it has said `wait_for`."""
    command = [sys.executable, program, *args]
    with serving(command, site, clean_environment(env), wait_for) as server:
        yield server


@contextmanager
def managing_in_a_terminal(site: Path, *args: str) -> Iterator[tuple[Server, int]]:
    """The same in a terminal of its own; also yields what types into it."""
    keyboard, terminal = os.openpty()
    try:
        command = [sys.executable, "-c", WITH_TERMINAL, *args]
        with serving(command, site, clean_environment(), LISTENING, terminal) as server:
            yield server, keyboard
    finally:
        os.close(keyboard)
        os.close(terminal)


@contextmanager
def serving(
    command: list[str],
    site: Path,
    env: Mapping[str, str],
    wait_for: str,
    terminal: int = subprocess.DEVNULL,
) -> Iterator[Server]:
    process = subprocess.Popen(
        command,
        cwd=site,
        env=env,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A session with a terminal is made by the program itself.
        start_new_session=terminal == subprocess.DEVNULL,
    )
    server = Server(process, 0, "http")
    try:
        output = server.wait_for_output(wait_for)
        if found := re.findall(rf"{LISTENING}s?://\S+:(\d+)", output):
            server.port = int(found[-1])
        yield server
        server.stop()
    except BaseException as error:
        server.kill()
        error.add_note(f"--- output ---\n{server.output()}")
        raise


def get(server: Server, target: str, *headers: tuple[str, str]) -> Response:
    client = Http1Client(server.port)
    try:
        return client.request("GET", target, [("host", "127.0.0.1"), *headers])
    finally:
        client.close()


def body(server: Server, target: str) -> str:
    response = get(server, target)
    assert response.status == 200, response
    return response.body.decode()
