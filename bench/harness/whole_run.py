"""One run from the first server to the written report. Runs inside bench/.venv."""

import argparse
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

from apps import payloads
from harness import certificate
from harness.campaign import measure_scenario, weigh, weigh_connections
from harness.chart import svg
from harness.descriptors import needed, raise_limit
from harness.environment import BENCH, PYTHON, WORK, CannotRun, check_machine
from harness.machine import bascule_says, describe, versions
from harness.options import WEIGHED, expected_seconds, options_of, select
from harness.report import markdown
from harness.scenarios import SCENARIOS
from harness.serving import app_environment

BUSY = 0.5  # a load average above which other programs are using the cores


def measure(chosen: argparse.Namespace) -> int:
    """Measure everything asked for, print the report and write it. Returns the exit code."""
    options = options_of(chosen)
    check_machine(options.server_core, options.client_core)
    os.sched_setaffinity(0, {options.client_core})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt_once)
    prepare()
    scenarios, weighings = select(SCENARIOS, chosen), select(WEIGHED, chosen)
    raise_limit(max(needed(scenario) for scenario in [*scenarios, *weighings]))
    results = about(options)
    announce(results, expected_seconds(scenarios, weighings, options))
    results["scenarios"] = {one.name: measure_scenario(one, options) for one in scenarios}
    results["weighings"] = {
        one.name: (weigh_connections if one.websocket else weigh)(one, options)
        for one in weighings
    }
    write(results, chosen.output)
    return 0


def interrupt_once(number: int, frame: object) -> None:
    """The first signal unwinds the run and so stops the servers; later ones must not disturb
    that.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def prepare() -> None:
    """The files the apps need, all in bench/work."""
    WORK.mkdir(exist_ok=True)
    (WORK / "100k.bin").write_bytes(payloads.FILE)
    certificate.create()
    command = [str(PYTHON), "-m", "djangosite.rows"]
    done = subprocess.run(
        command, cwd=BENCH, env=app_environment(), capture_output=True, text=True
    )
    if done.returncode != 0:
        raise CannotRun(f"could not fill the database of the Django site: {done.stderr[-600:]}")


def about(options) -> dict:
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": describe(),
        "options": asdict(options),
        "versions": versions(),
        "bascule": bascule_says(),
    }


def announce(results: dict, seconds: float) -> None:
    print(f"{results['bascule']}\nabout {max(1, round(seconds / 60))} min", flush=True)
    load = results["machine"]["load_before"]
    if load > BUSY:
        print(f"this machine is busy (load {load:.1f}): take the numbers with care", flush=True)


def write(results: dict, folder: Path) -> None:
    """The report on the terminal, and RESULTS.md, chart.svg and results/latest.json in the
    folder.
    """
    text = markdown(results)
    print("\n" + text)
    (folder / "results").mkdir(parents=True, exist_ok=True)
    (folder / "results" / "latest.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "RESULTS.md").write_text(text)
    (folder / "chart.svg").write_text(svg(results))
    print(f"written: {folder / 'RESULTS.md'}, chart.svg, results/latest.json")


def render(chosen: argparse.Namespace) -> int:
    """Write table and chart of an earlier run again, from its JSON."""
    try:
        results = json.loads(chosen.render.read_text())
    except (OSError, ValueError) as error:
        raise CannotRun(f"{chosen.render} is not a file of results: {error}") from error
    write(results, chosen.output)
    return 0
