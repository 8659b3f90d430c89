"""The options of the command line, and the time that a run will take. This needs only the standard
library, because it is read before anything is installed.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.environment import BENCH, WORK
from harness.scenarios import SCENARIOS, WEIGHINGS, Scenario
from peers.servers import SERVERS

LOOPS = ("django-wsgi-loop", "django-asgi-loop")
WEIGHED = {scenario.name: scenario for scenario in WEIGHINGS}
DEFAULT = {"rounds": 5, "seconds": 3}
QUICK = {"rounds": 3, "seconds": 1}

WARM_UP_SECONDS = 1
PAUSE = 0.2  # lets a server finish with the connections of the last run
IDLE_SECONDS = 14  # start, 10,000 handshakes, a look, 10,000 closes
TRANSFER_SECONDS = 12  # a GB, between the fastest server's 1 s and the slowest one's 22 s
SETTLE = 1.0  # lets a server free what it needed for handshakes only


@dataclass(frozen=True)
class Options:
    """How to measure, and which servers. Scenarios that are not main ones get `minor_rounds`,
    to save time.
    """

    rounds: int
    minor_rounds: int
    seconds: int
    every: bool = False
    servers: tuple[str, ...] = ()
    server_core: int = 0
    client_core: int = 1

    def chosen(self, scenario: Scenario) -> list[str]:
        """The servers to measure here: those named on the command line, or the scenario's own."""
        names = scenario.chosen(self.every or bool(self.servers))
        return [name for name in names if not self.servers or name in self.servers]

    def rounds_of(self, scenario: Scenario) -> int:
        return self.rounds if scenario.is_main else self.minor_rounds

    def wants_ceiling(self, scenario: Scenario) -> bool:
        return bool(scenario.ceiling) and (
            not self.servers or ceiling_name(scenario) in self.servers
        )


def ceiling_name(scenario: Scenario) -> str:
    return f"django-{scenario.ceiling}-loop"


def expected_seconds(
    scenarios: list[Scenario], weighings: list[Scenario], options: Options
) -> float:
    """How long a run will take, from how long starting, stopping and pausing took here."""
    per_round = options.seconds + PAUSE + 0.15
    total = 0.0
    for scenario in scenarios:
        rounds = options.rounds_of(scenario)
        if scenario.transfer:
            total += len(options.chosen(scenario)) * (0.8 + rounds * TRANSFER_SECONDS)
            continue
        total += len(options.chosen(scenario)) * (0.8 + WARM_UP_SECONDS + rounds * per_round)
        total += options.wants_ceiling(scenario) * rounds * (per_round + 1.2)
    for scenario in weighings:
        if scenario.websocket:
            total += len(options.chosen(scenario)) * IDLE_SECONDS
            continue
        rounds = options.rounds_of(scenario)
        total += len(options.chosen(scenario)) * (options.seconds + rounds * 0.9)
    return total


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Bascule against its peers.")
    names = [*SCENARIOS, *WEIGHED]
    add = parser.add_argument
    add(
        "--list",
        action="store_true",
        help="show the scenarios and the servers, and how long a run takes",
    )
    add(
        "--quick",
        action="store_true",
        help="the main scenarios only, 3 rounds of 1 s: about 10 minutes",
    )
    add(
        "--all",
        action="store_true",
        help="the slower servers in every scenario, not in hello world only",
    )
    add(
        "--scenario",
        action="append",
        default=[],
        choices=names,
        metavar="NAME",
        help="only this (repeatable)",
    )
    add("--server", action="append", default=[], choices=[*SERVERS, *LOOPS],
        metavar="NAME", help="only this server (repeatable)")  # fmt: skip
    add("--rounds", type=positive, help="default 5")
    add("--seconds", type=positive, help="length of one measurement, whole seconds; default 3")
    add("--server-core", type=int, default=0, metavar="N", help="default 0")
    add("--client-core", type=int, default=1, metavar="N", help="default 1")
    add("--no-install", action="store_true", help="use bench/.venv as it is")
    add(
        "--output",
        type=Path,
        help="folder for the results; default bench, bench/work when not everything runs",
    )
    add(
        "--render",
        type=Path,
        metavar="JSON",
        help="measure nothing: write the table and chart of this file",
    )
    chosen = parser.parse_args(arguments)
    preset = QUICK if chosen.quick else DEFAULT
    chosen.rounds = chosen.rounds or preset["rounds"]
    chosen.seconds = chosen.seconds or preset["seconds"]
    is_whole = not (chosen.quick or chosen.scenario or chosen.server)
    chosen.output = chosen.output or (BENCH if is_whole else WORK)
    return chosen


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def select(table: dict[str, Scenario], chosen: argparse.Namespace) -> list[Scenario]:
    """The scenarios asked for by name, or those of the preset."""
    if chosen.scenario:
        return [scenario for name, scenario in table.items() if name in chosen.scenario]
    return [scenario for scenario in table.values() if scenario.is_main or not chosen.quick]


def options_of(chosen: argparse.Namespace) -> Options:
    minor_rounds = chosen.rounds if chosen.scenario else max(1, chosen.rounds * 3 // 5)
    return Options(
        chosen.rounds,
        minor_rounds,
        chosen.seconds,
        chosen.all,
        tuple(chosen.server),
        chosen.server_core,
        chosen.client_core,
    )
