"""Runs Bascule under callgrind and counts its instructions for a request.

The server starts without being counted. After a warm-up callgrind's counters are set to zero, so
many requests are made, and a profile is written: nothing of the start is in it. The server's work
without requests, its tick above all, is counted for a while afterwards and subtracted.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from clients import counted
from harness import callgrind, certificate
from harness.callgrind import Function, Profile
from harness.cost_scenarios import FILE_1K, FILES, Counted
from harness.environment import BENCH, CHECKOUT, WORK, CannotRun, clean_environment
from harness.scenarios import WrongAnswer

WARM_UP = 200
WARM_UP_COUNTED = 50
# Work that the requests left is over by then, for example returning memory to the system.
SETTLE_SECONDS = 2.0
IDLE_SECONDS = 3.0
START_DEADLINE = 240.0
STOP_DEADLINE = 60.0
COMMAND_DEADLINE = 60.0
TOOLS = ("valgrind", "vgdb")


class CountingFailed(Exception):
    """The server did not start, or did not answer as it should; the text says what happened."""


@dataclass(frozen=True)
class Count:
    """The instructions in user space for one request, and the profile of `requests` of them."""

    instructions: float
    requests: int
    profile: Profile

    def functions(self, by_inclusive: bool) -> list[Function]:
        """The most expensive ones first."""
        order = attrgetter("inclusive" if by_inclusive else "self_cost")
        return sorted(self.profile.functions.values(), key=order, reverse=True)


def check_tools() -> None:
    """Raise `CannotRun` where valgrind is missing."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise CannotRun(f"{' and '.join(missing)} not found: apt-get install valgrind")


def compile_in_place() -> None:
    """Compile what has changed in src. Raises `CannotRun` when that fails."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    environment = {**os.environ, "BASCULE_REQUIRE_COMPILED": "1"}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotRun(f"Bascule could not be compiled: {(done.stderr or done.stdout)[-1500:]}")


def prepare() -> None:
    """The files that the scenarios need, all in bench/work."""
    FILES.mkdir(parents=True, exist_ok=True)
    (FILES / "1k.bin").write_bytes(FILE_1K)
    certificate.create()


def count(scenario: Counted, under: str = "") -> Count:
    """Count one scenario; with `under`, a symbol, only what runs between its call and its return.

    Raises `CountingFailed`.
    """
    with tempfile.TemporaryDirectory(prefix="cost-", dir=WORK) as directory:
        profile = Path(directory) / "profile"
        options = [f"--callgrind-out-file={profile}", "--instr-atstart=no", "--dump-instr=no"]
        if under:
            options.append(f"--toggle-collect={under}")
        port = free_port()
        with served(scenario, port, options, Path(directory) / "log") as process:
            try:
                elapsed = converse(scenario, port, process)
                time.sleep(SETTLE_SECONDS)
                tell(process, "zero")
                time.sleep(IDLE_SECONDS)
                tell(process, "dump")
            except (WrongAnswer, OSError) as error:
                raise CountingFailed(str(error)) from error
        whole = read(profile.with_suffix(".1"))
        idle = read(profile.with_suffix(".2")).total / IDLE_SECONDS * elapsed
    return Count((whole.total - idle) / scenario.requests, scenario.requests, whole)


def read(path: Path) -> Profile:
    try:
        with path.open(errors="replace") as lines:
            return callgrind.parse(lines)
    except (OSError, ValueError) as error:
        raise CountingFailed(f"callgrind wrote no profile: {error}") from error


@contextlib.contextmanager
def served(
    scenario: Counted, port: int, options: list[str], log: Path
) -> Iterator[subprocess.Popen]:
    command = [
        "valgrind", "--tool=callgrind", *options, sys.executable, "-m", "bascule", "serve",
        scenario.app, "--app-dir", ".", "--bind", f"127.0.0.1:{port}", "--log-level", "warning",
        *([] if "--access-log" in scenario.arguments else ["--no-access-log"]),
        *scenario.arguments,
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=BENCH, env=server_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until_listening(process, port, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server_environment() -> dict[str, str]:
    return clean_environment(
        PYTHONPATH=f"{CHECKOUT / 'src'}:{BENCH}",
        PYTHONHASHSEED="0",
        BENCH_WORK=str(WORK),
        DJANGO_SETTINGS_MODULE="djangosite.settings",
    )


def wait_until_listening(process: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE
    while True:
        if process.poll() is not None:
            raise CountingFailed(f"the server ended: {last_words(log)}")
        try:
            counted.connected(port).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise CountingFailed(f"the server did not start: {last_words(log)}") from error
            time.sleep(0.1)
        else:
            return


def last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return " / ".join(line for line in lines if not line.startswith("=="))[-600:]


def converse(scenario: Counted, port: int, process: subprocess.Popen) -> float:
    """Make the requests and have the profile written. Returns the seconds they took."""
    client = scenario.client(port)
    client.open()
    for _ in range(WARM_UP // scenario.at_once):
        client.exchange()
    tell(process, "instrumentation on")
    for _ in range(WARM_UP_COUNTED // scenario.at_once):
        client.exchange()
    tell(process, "zero")
    began = time.monotonic()
    for _ in range(scenario.requests // scenario.at_once):
        client.exchange()
    tell(process, "dump")
    elapsed = time.monotonic() - began
    client.close()
    return elapsed


def tell(process: subprocess.Popen, command: str) -> None:
    """Send a command to callgrind in the server's process."""
    done = subprocess.run(
        ["vgdb", f"--pid={process.pid}", *command.split()],
        capture_output=True, text=True, timeout=COMMAND_DEADLINE,
    )  # fmt: skip
    if done.returncode != 0:
        raise CountingFailed(f"vgdb {command}: {done.stderr.strip()}")
