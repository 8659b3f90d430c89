"""Bascule against its peers.  python3 bench/run.py [--quick] [--scenario NAME] ...

Runs under any Python from 3.11 up: it makes bench/.venv and starts itself again inside it.
"""

import argparse
import os
import sys
from pathlib import Path

from harness.environment import BENCH, PYTHON, VENV, CannotRun, check_machine, install
from harness.options import WEIGHED, expected_seconds, options_of, parse, select
from harness.scenarios import SCENARIOS, Scenario


def main(arguments: list[str]) -> int:
    chosen = parse(arguments)
    if chosen.list:
        show_list(chosen)
        return 0
    try:
        enter_environment(chosen, arguments)
        # Only here: these need what bench/.venv holds.
        from harness.whole_run import measure, render

        return render(chosen) if chosen.render else measure(chosen)
    except CannotRun as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nbench: interrupted; every server has been stopped, nothing was written",
            file=sys.stderr,
        )
        return 130


def enter_environment(chosen: argparse.Namespace, arguments: list[str]) -> None:
    """Update bench/.venv and start again inside it; return if this process is inside it already.

    The environment is also updated then, because an earlier build would be measured otherwise.
    """
    check_machine(chosen.server_core, chosen.client_core)
    if not chosen.no_install and not chosen.render:
        install()
    elif not PYTHON.exists():
        raise CannotRun("bench/.venv is not there yet: run once without --no-install")
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    sys.stdout.flush()
    os.execv(PYTHON, [str(PYTHON), str(BENCH / "run.py"), "--no-install", *arguments])


def show_list(chosen: argparse.Namespace) -> None:
    options = options_of(chosen)
    scenarios, weighings = select(SCENARIOS, chosen), select(WEIGHED, chosen)
    for scenario in [*scenarios, *weighings]:
        print(f"{scenario.name:18} {title(scenario)}")
        print(f"{'':18}   {', '.join(options.chosen(scenario))}")
    minutes = expected_seconds(scenarios, weighings, options) / 60
    print(f"\n{options.rounds} rounds of {options.seconds} s: about {minutes:.0f} min")


def title(scenario: Scenario) -> str:
    if scenario.name not in WEIGHED:
        return scenario.title
    return f"{scenario.title} ({'memory' if scenario.websocket else 'start-up and memory'})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
