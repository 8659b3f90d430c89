"""Starts a server on the server core, waits until it answers, and stops it with all its
children.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from clients.client import ask
from harness.certificate import CERT, KEY
from harness.environment import BENCH, VENV, WORK, clean_environment
from harness.scenarios import Scenario, WrongAnswer
from peers.servers import Server

START_DEADLINE = 30.0
STOP_DEADLINE = 8.0
POLL = 0.005  # start-up times are exact to this; polling costs the client core only


class ServerFailed(Exception):
    """The server did not start, died, or answered wrongly; the text ends with what it printed
    last.
    """


@dataclass
class Running:
    """A started server. `start_seconds` is from the start of the process to its first right
    answer.
    """

    server: Server
    port: int
    process: subprocess.Popen
    log: Path
    began: float
    start_seconds: float = 0.0

    def family(self) -> list[psutil.Process]:
        """The process and all its descendants that are alive now."""
        try:
            leader = psutil.Process(self.process.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def last_words(self) -> str:
        text = self.log.read_text(errors="replace").strip()
        return " / ".join(text.splitlines()[-4:])[-400:] or "(it printed nothing)"


@contextlib.contextmanager
def running(server: Server, scenario: Scenario, core: int) -> Iterator[Running]:
    """Serve the scenario's app on `core` until the block ends. Raises `ServerFailed`."""
    started = start(server, scenario, core)
    try:
        wait_until_right(started, scenario)
        yield started
    finally:
        stop(started)


def start(server: Server, scenario: Scenario, core: int) -> Running:
    port = free_port()
    log = WORK / "logs" / f"{server.name}-{port}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    app = scenario.app.format(interface=server.interface)
    arguments = server.arguments(app, port, str(CERT), str(KEY), scenario.with_tls)
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *arguments],
            cwd=BENCH,
            env=app_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches the harness alone, which then stops every server itself.
            start_new_session=True,
        )
    return Running(server, port, process, log, began)


def app_environment() -> dict[str, str]:
    """The environment of every process that runs a benchmark app."""
    path = f"{VENV / 'bin'}:{os.environ.get('PATH', '')}"
    return clean_environment(
        PATH=path,
        PYTHONPATH=str(BENCH),
        BENCH_WORK=str(WORK),
        BENCH_FILE=str(WORK / "100k.bin"),
        DJANGO_SETTINGS_MODULE="djangosite.settings",
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_right(started: Running, scenario: Scenario) -> None:
    """Poll until the first right answer and note how long it took."""
    deadline = started.began + START_DEADLINE
    while True:
        if started.process.poll() is not None:
            raise ServerFailed(f"exited with {started.process.returncode}: {started.last_words()}")
        try:
            ask(scenario, started.port)
        except WrongAnswer as error:
            raise ServerFailed(f"{error}; it printed: {started.last_words()}") from error
        except (OSError, http.client.HTTPException) as error:
            if time.perf_counter() > deadline:
                raise ServerFailed(
                    f"no answer within {START_DEADLINE:.0f} s ({error!r}): {started.last_words()}"
                ) from error
            time.sleep(POLL)
        else:
            started.start_seconds = time.perf_counter() - started.began
            return


def stop(started: Running) -> None:
    """SIGTERM, a deadline, SIGKILL; then whatever is left of the session that was made for this
    server.
    """
    family = started.family()
    if started.process.poll() is None:
        started.process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=STOP_DEADLINE)
    for process in [*alive, *left_in_session(started.process.pid)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    started.process.wait()
    started.log.unlink(missing_ok=True)


def left_in_session(session: int) -> list[psutil.Process]:
    """Processes of that session, orphans included."""
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == session:
                left.append(process)
    return left
