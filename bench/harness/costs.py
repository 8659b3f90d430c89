"""The table of `make cost`: instructions beside those that were kept."""

import json
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.callgrind import Function, readable

LONGEST_NAME = 64


def kept_costs(path: Path) -> dict:
    """The kept instructions, or none. Raises `ValueError` when the file is damaged."""
    return json.loads(path.read_text()) if path.exists() else {"instructions": {}}


def keep(path: Path, instructions: Mapping[str, float], commit: str) -> None:
    """Write these, and leave those of other scenarios as they are."""
    merged = kept_costs(path)["instructions"] | {
        name: round(one) for name, one in instructions.items()
    }
    kept = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "commit": commit,
        "instructions": merged,
    }
    path.write_text(json.dumps(kept, indent=1) + "\n")


def table(
    instructions: Mapping[str, float],
    titles: Mapping[str, str],
    kept: Mapping[str, float],
    wanted: Mapping[str, int | None],
) -> str:
    """A line for each scenario."""
    lines = [f"{'':14}  {'':42}  {'now':>10}  {'kept':>10}  {'change':>8}  {'wanted':>10}"]
    for name, now in instructions.items():
        before, goal = kept.get(name), wanted.get(name)
        change = f"{(now / before - 1) * 100:+.1f} %" if before else ""
        line = (
            f"{name:14}  {titles[name]:42}  {now:10,.0f}  {number(before):>10}  {change:>8}  "
            f"{number(goal):>10}"
        )
        lines.append(line.rstrip())
    return "\n".join(lines)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def functions_table(functions: Iterable[Function], requests: int, total: float) -> str:
    """A line for each function: its instructions for a request, without and with those of the
    functions that it calls, the share of the former, and its calls.
    """
    lines = [f"{'self':>9}  {'share':>6}  {'with calls':>10}  {'calls':>6}  function"]
    for one in functions:
        lines.append(
            f"{one.self_cost / requests:9,.0f}  {one.self_cost / total:6.1%}  "
            f"{one.inclusive / requests:10,.0f}  {one.calls / requests:6.1f}  {described(one)}"
        )
    return "\n".join(lines)


def described(function: Function) -> str:
    name = readable(function.symbol)
    short = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    library = Path(function.library).name.split(".")[0]
    return short if "." in name or not library else f"{short}  [{library}]"
