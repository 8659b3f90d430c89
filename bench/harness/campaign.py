"""Runs scenarios and weighings: every server once, then every server once more, so that a slow
minute of the machine falls on all of them alike.
"""

import contextlib
import time

from clients.client import verify
from harness.descriptors import check_limit
from harness.measure import MeasurementFailed, core_speed, drive, handler_loop, holding, memory
from harness.options import PAUSE, SETTLE, WARM_UP_SECONDS, Options, ceiling_name
from harness.scenarios import Scenario, WrongAnswer
from harness.serving import Running, ServerFailed, running
from peers.servers import SERVERS


def measure_scenario(scenario: Scenario, options: Options) -> dict[str, dict]:
    """All rounds of one scenario. If a server fails, the reason is recorded, and the
    others continue.
    """
    rows = {name: empty_row() for name in options.chosen(scenario)}
    with contextlib.ExitStack() as stack:
        ready = {}
        for name, row in rows.items():
            try:
                ready[name] = prepare(stack, scenario, name, options, row)
            except (ServerFailed, WrongAnswer, MeasurementFailed, ValueError) as error:
                note_failure(scenario, name, row, str(error))
        if options.wants_ceiling(scenario):
            rows[ceiling_name(scenario)] = empty_row()
        rounds = options.rounds_of(scenario)
        for number in range(rounds):
            print(f"{scenario.name}, round {number + 1} of {rounds}", flush=True)
            for name, row in rows.items():
                measure_once(scenario, name, ready.get(name), row, options)
    return rows


def empty_row() -> dict:
    return {"rates": [], "p50_ms": [], "p99_ms": [], "core_speed": [], "failures": []}


def prepare(
    stack: contextlib.ExitStack, scenario: Scenario, name: str, options: Options, row: dict
) -> Running:
    """Start one server, check its whole answer, and warm it up."""
    check_limit(scenario)
    started = stack.enter_context(running(SERVERS[name], scenario, options.server_core))
    if cipher := verify(scenario, started.port):
        row["cipher"] = cipher
    if not scenario.transfer:  # a GB warms up by itself, and shows what the first one costs
        drive(started, scenario, WARM_UP_SECONDS, options.client_core)
    return started


def measure_once(
    scenario: Scenario, name: str, started: Running | None, row: dict, options: Options
) -> None:
    time.sleep(PAUSE)
    row["core_speed"].append(core_speed(options.server_core))
    sample = None
    try:
        if name == ceiling_name(scenario):
            sample = handler_loop(
                scenario.ceiling, scenario.path, options.seconds, options.server_core
            )
        elif started is not None:
            sample = drive(started, scenario, options.seconds, options.client_core)
    except MeasurementFailed as error:
        note_failure(scenario, name, row, str(error))
    row["rates"].append(sample and sample.rate)
    row["p50_ms"].append(sample and sample.p50_ms)
    row["p99_ms"].append(sample and sample.p99_ms)
    if scenario.transfer:
        row.setdefault("memory", []).append(sample and sample.memory)
    if scenario.websocket:
        row.setdefault("client_busy", []).append(sample and sample.client_busy)
    if sample:
        print(f"    {name:20} {sample.rate:10,.0f} {scenario.unit}", flush=True)


def note_failure(scenario: Scenario, name: str, row: dict, reason: str) -> None:
    row["failures"].append(reason)
    print(f"    {name:20} FAILED in {scenario.name}: {reason}", flush=True)


def weigh(scenario: Scenario, options: Options) -> dict[str, dict]:
    """Start-up time in every round; memory once, in the first. One server runs at a time."""
    rows = {name: {"start_seconds": [], "failures": []} for name in options.chosen(scenario)}
    rounds = options.rounds_of(scenario)
    for number in range(rounds):
        print(f"start-up and memory, {scenario.name}, round {number + 1} of {rounds}", flush=True)
        for name, row in rows.items():
            try:
                weigh_once(scenario, name, row, options, with_memory=number == 0)
            except (ServerFailed, WrongAnswer, MeasurementFailed) as error:
                note_failure(scenario, name, row, str(error))
    return rows


def weigh_once(
    scenario: Scenario, name: str, row: dict, options: Options, with_memory: bool
) -> None:
    with running(SERVERS[name], scenario, options.server_core) as started:
        row["start_seconds"].append(started.start_seconds)
        if not with_memory:
            return
        row["idle"] = memory(started)
        drive(started, scenario, options.seconds, options.client_core)
        row["loaded"] = memory(started)
        print(f"    {name:20} {row['loaded']['pss']:7.1f} MiB after load", flush=True)


def weigh_connections(scenario: Scenario, options: Options) -> dict[str, dict]:
    """Memory without connections and with all of them; once, for it hardly varies."""
    print(f"memory of connections, {scenario.name}", flush=True)
    rows = {name: {"failures": []} for name in options.chosen(scenario)}
    for name, row in rows.items():
        try:
            weigh_connections_once(scenario, name, row, options)
        except (ServerFailed, WrongAnswer, MeasurementFailed) as error:
            note_failure(scenario, name, row, str(error))
    return rows


def weigh_connections_once(scenario: Scenario, name: str, row: dict, options: Options) -> None:
    check_limit(scenario)
    with running(SERVERS[name], scenario, options.server_core) as started:
        verify(scenario, started.port)
        without = memory(started)
        with holding(started, scenario, options.client_core):
            time.sleep(SETTLE)
            loaded = memory(started)
        row |= {"without": without, "with": loaded}
        growth = (loaded["pss"] - without["pss"]) * 1024 / scenario.connections
        print(f"    {name:20} {growth:7.1f} KiB per connection", flush=True)
