"""The instruments: wrk, h2load and websocket_load.py for rates and latencies, psutil for memory, a
loop for Django's own handler, and a fixed loop that tells how fast the server core is just now.
"""

import contextlib
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from apps import payloads
from harness.environment import BENCH, VENV, WORK
from harness.scenarios import Scenario
from harness.serving import Running, app_environment

REPORT = re.compile(r"^REPORT (\{.*\})$", re.MULTILINE)
ERRORS = ("connect", "read", "write", "status", "timeout")
# The summary of h2load.
H2LOAD_PROTOCOL = re.compile(r"^Application protocol: (\S+)$", re.MULTILINE)
H2LOAD_FINISHED = re.compile(r"^finished in ([0-9.]+)(us|ms|s|m|h),", re.MULTILINE)
H2LOAD_REQUESTS = re.compile(
    r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$",
    re.MULTILINE,
)
H2LOAD_CODES = re.compile(
    r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$", re.MULTILINE
)
H2LOAD_DATA = re.compile(r"^traffic: .*\((\d+)\) data$", re.MULTILINE)
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
LARGE_FILE = WORK / "large.bin"
TRANSFER_PATIENCE = 120.0  # seconds that a GB may take
MEMORY_PERIOD = 0.05  # between two readings of the memory of a server
PROBE_STEPS = 400_000  # about 30 ms
GRACE = 20.0  # seconds a tool may take beyond what it was asked for
MEBIBYTE = 1024 * 1024


class MeasurementFailed(Exception):
    """The run counted errors or did not finish, so its rate means nothing."""


@dataclass(frozen=True)
class Sample:
    """One run: requests or messages per second, or MB, and latencies in milliseconds (None where
    there is no client, or it does not tell). `client_busy` is the share of its time our own client
    needed; wrk does not tell. `memory` is the server's of a transfer: "before" it, the "most"
    during it, and "after" it.
    """

    rate: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    client_busy: float | None = None
    memory: dict[str, dict[str, float]] | None = None


def drive(started: Running, scenario: Scenario, seconds: float, core: int) -> Sample:
    """Let the scenario's client drive the server from `core`. Raises `MeasurementFailed`."""
    if scenario.websocket:
        return drive_websockets(started, scenario, seconds, core)
    if scenario.transfer:
        return drive_transfer(started, scenario, core)
    if scenario.streams:
        return drive_http2(started, scenario, seconds, core)
    return drive_http(started, scenario, seconds, core)


def drive_http(started: Running, scenario: Scenario, seconds: float, core: int) -> Sample:
    url = f"{scenario.scheme}://127.0.0.1:{started.port}{scenario.path}"
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{scenario.connections}"]
    command += [f"-d{seconds:g}s", "-s", str(BENCH / "clients" / "wrk" / "report.lua"), url]
    if scenario.is_closing:
        command += ["-H", "Connection: close"]
    if scenario.post_size:
        command += ["--", "POST", str(scenario.post_size)]
    return sample_of(output_of("wrk", command, seconds))


def drive_http2(started: Running, scenario: Scenario, seconds: float, core: int) -> Sample:
    command = h2load(started, scenario, core, scenario.path, "-D", f"{seconds:g}")
    report = report_of(output_of("h2load", command, seconds), scenario)
    return Sample(report.requests / seconds)


def h2load(started: Running, scenario: Scenario, core: int, path: str, *more: str) -> list[str]:
    command = ["taskset", "-c", str(core), "h2load", "-t1", f"-c{scenario.connections}"]
    command += [f"-m{scenario.streams}", *more]
    return [*command, f"{scenario.scheme}://127.0.0.1:{started.port}{path}"]


def drive_transfer(started: Running, scenario: Scenario, core: int) -> Sample:
    """One large body, and what the server needs for it."""
    if scenario.transfer == "upload":
        # A hole: it takes no place on the disk, and no time to read.
        with LARGE_FILE.open("wb") as file:
            file.truncate(payloads.LARGE_SIZE)
        command = h2load(started, scenario, core, "/", "-n1", "-d", str(LARGE_FILE))
        wanted = 0
    else:
        command = h2load(started, scenario, core, f"/{payloads.LARGE_SIZE}", "-n1")
        wanted = payloads.LARGE_SIZE
    before = memory(started)
    with watched_memory(started) as looks:
        output = output_of("h2load", command, TRANSFER_PATIENCE)
    after = memory(started)
    report = report_of(output, scenario)
    if report.size != wanted:
        raise MeasurementFailed(f"{report.size} bytes came, not {wanted}")
    looks += [before, after]
    most = {kind: max(look[kind] for look in looks) for kind in before}
    return Sample(
        payloads.LARGE_SIZE / 1e6 / report.seconds,
        memory={"before": before, "most": most, "after": after},
    )


@contextlib.contextmanager
def watched_memory(started: Running) -> Iterator[list[dict[str, float]]]:
    """Read the memory again and again inside the block; the list has the readings."""
    looks: list[dict[str, float]] = []
    over = threading.Event()

    def watch() -> None:
        # A server that has died is noticed by its client.
        with contextlib.suppress(MeasurementFailed):
            while not over.wait(MEMORY_PERIOD):
                looks.append(memory(started))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield looks
    finally:
        over.set()
        thread.join()


@dataclass(frozen=True)
class H2loadReport:
    """Requests that were answered, bytes of their bodies, and how long it all took."""

    requests: int
    size: int
    seconds: float


def report_of(output: str, scenario: Scenario) -> H2loadReport:
    """Read what h2load printed. Any error makes the whole run a failed one, as does another
    protocol: without ALPN h2load would fall back to HTTP/1.1.
    """
    protocol = H2LOAD_PROTOCOL.search(output)
    finished, requests = H2LOAD_FINISHED.search(output), H2LOAD_REQUESTS.search(output)
    codes, data = H2LOAD_CODES.search(output), H2LOAD_DATA.search(output)
    if not (protocol and finished and requests and codes and data):
        raise MeasurementFailed(f"h2load gave no report: {output.strip()[-200:]}")
    if protocol[1] != ("h2" if scenario.with_tls else "h2c"):
        raise MeasurementFailed(f"h2load spoke {protocol[1]} instead of HTTP/2")
    succeeded, *bad = map(int, requests.groups())
    good, *others = map(int, codes.groups())
    if not good or any(bad) or any(others):
        raise MeasurementFailed(f"h2load: {requests[0]}; {codes[0]}")
    return H2loadReport(succeeded, int(data[1]), float(finished[1]) * SECONDS[finished[2]])


def drive_websockets(started: Running, scenario: Scenario, seconds: float, core: int) -> Sample:
    command = websocket_load(started, scenario, seconds, core)
    report = json.loads(output_of("the client", command, seconds))
    rate = report["done"] / report["seconds"]
    return Sample(rate, report["p50"], report["p99"], report["busy"])


def websocket_load(started: Running, scenario: Scenario, seconds: float, core: int) -> list[str]:
    command = ["taskset", "-c", str(core), str(VENV / "bin" / "python")]
    command += [str(BENCH / "clients" / "websocket_load.py"), scenario.name, str(started.port)]
    return [*command, f"{seconds:g}"]


@contextlib.contextmanager
def holding(started: Running, scenario: Scenario, core: int) -> Iterator[None]:
    """All connections of an idle scenario are open inside the block, and still good at its end.
    Raises `MeasurementFailed`.
    """
    with subprocess.Popen(
        websocket_load(started, scenario, 0, core),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=app_environment(),
    ) as client:  # fmt: skip
        try:
            # The client itself gives up in time, and then this is an empty line.
            if client.stdout.readline() == "HOLDING\n":
                yield
            _, said = client.communicate("\n", timeout=GRACE)
        except subprocess.TimeoutExpired as error:
            raise MeasurementFailed("the client did not finish") from error
        finally:
            client.kill()
    if client.returncode != 0:
        raise MeasurementFailed(f"the client failed: {said.strip()[-300:]}")


def output_of(name: str, command: list[str], seconds: float) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + GRACE, env=app_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementFailed(f"{name} did not finish") from error
    if done.returncode != 0:
        raise MeasurementFailed(f"{name} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def sample_of(output: str) -> Sample:
    """Read what report.lua printed. Any error of wrk's makes the whole run a failed one."""
    found = REPORT.search(output)
    if found is None:
        raise MeasurementFailed(f"wrk gave no report: {output.strip()[-200:]}")
    report = json.loads(found[1])
    errors = {kind: report[kind] for kind in ERRORS if report[kind]}
    if errors or not report["requests"]:
        counted = ", ".join(f"{count} {kind}" for kind, count in errors.items())
        raise MeasurementFailed(f"{report['requests']} requests, errors: {counted or 'none'}")
    rate = report["requests"] / (report["microseconds"] / 1e6)
    return Sample(rate, report["p50"] / 1000, report["p99"] / 1000)


def handler_loop(interface: str, path: str, seconds: float, core: int) -> Sample:
    """Django's own handler called in a loop on the server's core, no server around it."""
    command = ["taskset", "-c", str(core), str(VENV / "bin" / "python")]
    command += [str(BENCH / "peers" / "handler_loop.py"), interface, path, f"{seconds:g}"]
    report = json.loads(output_of("the loop", command, seconds))
    return Sample(report["requests"] / report["seconds"])


def memory(started: Running) -> dict[str, float]:
    """Resident, proportional and unique memory in MiB, summed over the server's processes."""
    total = {"rss": 0.0, "pss": 0.0, "uss": 0.0, "processes": 0}
    for process in started.family():
        try:
            info = process.memory_full_info()
        except psutil.Error as error:
            raise MeasurementFailed(f"a process of the server went away: {error}") from error
        total["rss"] += info.rss / MEBIBYTE
        total["pss"] += info.pss / MEBIBYTE
        total["uss"] += info.uss / MEBIBYTE
        total["processes"] += 1
    return total


def core_speed(core: int) -> float:
    """Steps per second of a fixed loop on that core, from this process, which moves there and
    back.

    On a shared or throttled machine this moves by half within seconds; the report shows the
    spread.
    """
    home = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        began = time.perf_counter()
        for _ in range(PROBE_STEPS):
            pass
        return PROBE_STEPS / (time.perf_counter() - began)
    finally:
        os.sched_setaffinity(0, home)
