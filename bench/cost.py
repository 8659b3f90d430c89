"""Instructions in user space for one request.  make cost [SCENARIO=...] [FUNCTION=...] [KEEP=1]

Runs under a Python that has Bascule's dependencies, Django and h2. It counts the checkout, and
compiles it in place.
"""

import argparse
import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from harness.environment import BENCH, CHECKOUT, CannotRun

KEPT = BENCH / "results" / "cost.json"
NEEDED = ("uvloop", "click", "Cython", "setuptools", "django", "h2")
AT_ONCE = 2


def main(arguments: list[str]) -> int:
    try:
        check_python()
        from harness.counting import check_tools

        check_tools()
        return run(parse(arguments))
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def check_python() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotRun(
            f"{sys.executable} lacks {', '.join(missing)}; name another Python, for example that "
            "of the tests: make cost PYTHON=.venv-test/3.11/bin/python"
        )


def parse(arguments: list[str]) -> argparse.Namespace:
    from harness.cost_scenarios import COUNTED

    parser = argparse.ArgumentParser(prog="bench/cost.py", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--scenario", action="append", default=[], choices=list(COUNTED), metavar="NAME",
        help="only this (repeatable): " + ", ".join(COUNTED))  # fmt: skip
    add("--function", metavar="NAME",
        help="the most expensive functions under this one, or of the whole request with `all`; "
        "in the first scenario, or in that of --scenario")  # fmt: skip
    add("--lines", type=int, default=40, help="how many functions to list; default 40")
    add("--inclusive", action="store_true", help="order them by their cost with calls")
    add("--keep", action="store_true", help=f"keep the result in {KEPT.relative_to(CHECKOUT)}")
    add("--no-compile", action="store_true", help="count src as it is compiled now")
    return parser.parse_args(arguments)


def run(chosen: argparse.Namespace) -> int:
    from harness.cost_scenarios import COUNTED
    from harness.counting import CountingFailed, compile_in_place, prepare

    if not chosen.no_compile:
        print("compiling what has changed in src", file=sys.stderr, flush=True)
        compile_in_place()
    prepare()
    names = chosen.scenario or list(COUNTED)
    if chosen.function:
        try:
            return list_functions(names[0], chosen)
        except CountingFailed as error:
            raise CannotRun(str(error)) from error
    return show_table(names, chosen.keep)


def show_table(names: list[str], is_kept: bool) -> int:
    from harness.cost_scenarios import COUNTED
    from harness.costs import keep, kept_costs, table
    from harness.counting import CountingFailed, count

    instructions, failed = {}, False
    kept = kept_costs(KEPT)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {name: pool.submit(count, COUNTED[name]) for name in names}
        for name, future in running.items():
            try:
                instructions[name] = future.result().instructions
            except CountingFailed as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed = True
    titles = {name: one.title for name, one in COUNTED.items()}
    wanted = {name: one.wanted for name, one in COUNTED.items()}
    print(table(instructions, titles, kept["instructions"], wanted))
    if kept["instructions"]:
        print(f"kept at {kept['commit']} with Python {kept['python']}; this is {python()}")
    if is_kept and not failed:
        keep(KEPT, instructions, commit())
    return 1 if failed else 0


def list_functions(scenario: str, chosen: argparse.Namespace) -> int:
    from harness.callgrind import matches, readable
    from harness.cost_scenarios import COUNTED
    from harness.costs import functions_table
    from harness.counting import count

    name = chosen.function
    counted = count(COUNTED[scenario])
    if name != "all":
        found = matches(name, counted.profile.functions)
        if len(found) != 1:
            described = ": " + ", ".join(map(readable, sorted(found))) if found else ""
            raise CannotRun(f"{len(found)} functions of {scenario} are called {name}{described}")
        counted = count(COUNTED[scenario], found[0])
    total = counted.profile.total
    print(f"{scenario}, {name}: {total / counted.requests:,.0f} instructions for a request")
    functions = counted.functions(chosen.inclusive)[: chosen.lines]
    print(functions_table(functions, counted.requests, total))
    return 0


def python() -> str:
    return sys.version.split()[0]


def commit() -> str:
    command = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or "an unknown commit"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
