"""The instruments: wrk and websocket_load.py for rates and latencies, psutil for memory, a loop
for Django's own handler, and a fixed loop that tells how fast the server core is just now.
"""

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
from environment import BENCH, VENV
from scenarios import Scenario
from serving import Running, app_environment

REPORT = re.compile(r"^REPORT (\{.*\})$", re.MULTILINE)
ERRORS = ("connect", "read", "write", "status", "timeout")
PROBE_STEPS = 400_000  # about 30 ms
GRACE = 20.0  # seconds a tool may take beyond what it was asked for
MEBIBYTE = 1024 * 1024


class MeasurementFailed(Exception):
    """The run counted errors or did not finish, so its rate means nothing."""


@dataclass(frozen=True)
class Sample:
    """One run: requests or messages per second, and latencies in milliseconds (None where there is
    no client). `client_busy` is the share of its time our own client needed; wrk does not tell.
    """

    rate: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    client_busy: float | None = None


def drive(started: Running, scenario: Scenario, seconds: float, core: int) -> Sample:
    """Let the scenario's client drive the server from `core`. Raises `MeasurementFailed`."""
    if scenario.websocket:
        return drive_websockets(started, scenario, seconds, core)
    return drive_http(started, scenario, seconds, core)


def drive_http(started: Running, scenario: Scenario, seconds: float, core: int) -> Sample:
    url = f"{scenario.scheme}://127.0.0.1:{started.port}{scenario.path}"
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{scenario.connections}"]
    command += [f"-d{seconds:g}s", "-s", str(BENCH / "wrk" / "report.lua"), url]
    if scenario.post_size:
        command += ["--", "POST", str(scenario.post_size)]
    return sample_of(output_of("wrk", command, seconds))


def drive_websockets(started: Running, scenario: Scenario, seconds: float, core: int) -> Sample:
    command = websocket_load(started, scenario, seconds, core)
    report = json.loads(output_of("the client", command, seconds))
    rate = report["done"] / report["seconds"]
    return Sample(rate, report["p50"], report["p99"], report["busy"])


def websocket_load(started: Running, scenario: Scenario, seconds: float, core: int) -> list[str]:
    command = ["taskset", "-c", str(core), str(VENV / "bin" / "python")]
    command += [str(BENCH / "websocket_load.py"), scenario.name, str(started.port)]
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
    command += [str(BENCH / "handler_loop.py"), interface, path, f"{seconds:g}"]
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
