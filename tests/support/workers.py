"""Servers with several workers, for tests of processes.

Each test has a folder with the application of tests/process/apps/process_workers.py in it, whose
version is in a file, so that new code is a line of text.
"""

import os
import re
import select
import shutil
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from support.http import exchange
from support.load import asking
from support.server import Server, running

APPS = Path(__file__).parents[1] / "process" / "apps"
DEADLINE = 20

ASGI = "process_workers:asgi"
WSGI = "process_workers:wsgi"


def make_application(folder: Path) -> None:
    """Put the application there, in its first version."""
    shutil.copy(APPS / "process_workers.py", folder)
    write_version(folder, "one")


def write_version(folder: Path, text: str) -> None:
    """New code. `broken` fails when it is imported."""
    (folder / "version").write_text(text)


def serve(
    folder: Path, *args: str, target: str = ASGI, workers: int = 2, **options: Any
) -> AbstractContextManager[Server]:
    return running(target, "--workers", str(workers), *args, cwd=folder, **options)


def answered(server: Server, path: str = "/") -> str:
    response = exchange(server.port, "GET", path)
    assert response.status == 200
    return response.body.decode()


def wait_for_ready(server: Server, *serials: int) -> None:
    for serial in serials:
        server.wait_for_output(f"worker {serial} (pid ", DEADLINE)


def pids(server: Server) -> dict[int, int]:
    """Of the workers that have been ready, by their numbers."""
    found = re.findall(r"worker (\d+) \(pid (\d+)\) is ready", server.output())
    return {int(serial): int(pid) for serial, pid in found}


@contextmanager
def ended(pid: int, deadline: float = DEADLINE) -> Iterator[None]:
    """The process has ended when the block has."""
    handle = os.pidfd_open(pid)
    try:
        yield
        assert select.select([handle], [], [], deadline)[0], f"process {pid} is still there"
    finally:
        os.close(handle)


def successor(server: Server) -> int:
    """The pid of the supervisor that an upgrade has started."""
    return int(re.findall(r"the new supervisor is pid (\d+)", server.output())[-1])


def upgrade_loses_nothing(server: Server, folder: Path) -> None:
    """Upgrade two workers to the second version under load, and end what is there then."""
    wait_for_ready(server, 1, 2)
    write_version(folder, "two")
    with asking(server.port) as load:
        load.wait_for_answers(20)
        server.signal(signal.SIGUSR2)
        server.wait_for_output("has taken over", DEADLINE)
        assert server.process.wait(DEADLINE) == 0
        load.wait_for_answers(50)
    new = successor(server)
    try:
        assert load.failures == []
        assert "two" in answered(server)
    finally:
        with ended(new):
            os.kill(new, signal.SIGTERM)
