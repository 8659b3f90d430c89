"""Prints docs/limits.md: docs/limits.md.in with the numbers and reasons of the source.

    python scripts/limits_page.py > docs/limits.md

A placeholder of the template is one of these:

    {limit_connections}         the default of a setting; the rest of its row may have {flag}
    {--limit-connections}       the flag of a setting
    {RequestLimits.body:bytes}  the default of a limit or a deadline
    {MOST_UNSENT:bytes}         a constant of the source, by a name that only one module has
    {proxy.LONGEST_LINE:bytes}  the same, with the module where several have the name
    {why}                       the reason for the first number of the row that has one
    {why:limit_connections}     the reason for a certain setting, limit or deadline

The unit behind the colon is `bytes`, which shows as bytes, KiB or MiB, or `s`; a setting has its
unit already. A name that the source does not have is an error, and so is a number that two
modules declare differently.
"""

import ast
import re
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from bascule.connections.plan import Deadlines
from bascule.protocols.limits import Http2Limits, RequestLimits, WebSocketLimits
from bascule.settings import OPTIONS
from bascule.settings.kinds import Maybe, Seconds

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "bascule"
TEMPLATE = ROOT / "docs" / "limits.md.in"
COMMENT = "<!-- Made by scripts/limits_page.py: change limits.md.in or the source instead. -->"

LIMITS: dict[str, Any] = {
    kind.__name__: kind for kind in (RequestLimits, WebSocketLimits, Http2Limits, Deadlines)
}
PLACEHOLDER = re.compile(r"\{([\w.-]+)(?::([\w.]+))?\}")
KIB = 1024
MIB = 1024 * KIB


def page() -> str:
    """Return the page as Markdown."""
    title, _, rest = TEMPLATE.read_text(encoding="utf-8").partition("\n")
    lines = [filled(line) for line in rest.splitlines()]
    return "\n".join([title, "", COMMENT, *lines]) + "\n"


def filled(line: str) -> str:
    """Return a line with the values of its placeholders."""
    names = [name for name, _ in PLACEHOLDER.findall(line)]
    settings = [name for name in names if name in OPTIONS]

    def value(found: re.Match[str]) -> str:
        name, unit = found[1], found[2]
        if name == "why":
            return reason(unit or next(one for one in names if one in OPTIONS or "." in one))
        if name == "flag":
            return f"`{OPTIONS[settings[0]].flag}`"
        if name.startswith("--"):
            return f"`{OPTIONS[name[2:].replace('-', '_')].flag}`"
        if name in OPTIONS:
            return of_setting(name)
        return shown(number(name), unit)

    return PLACEHOLDER.sub(value, line)


def of_setting(name: str) -> str:
    """Return the default of a setting, with its unit."""
    option = OPTIONS[name]
    kind = option.kind.kind if isinstance(option.kind, Maybe) else option.kind
    if option.default is None:
        return "none"
    unit = "s" if isinstance(kind, Seconds) else "bytes" if kind.metavar == "BYTES" else ""
    return shown(option.default, unit)


def shown(value: float, unit: str | None) -> str:
    """Return a number for people."""
    if unit == "bytes" and value % MIB == 0:
        return f"{value // MIB:,} MiB"
    if unit == "bytes" and value % KIB == 0 and value > KIB:
        return f"{value // KIB:,} KiB"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,g}"
    return f"{text} {unit}" if unit else text


def number(name: str) -> Any:
    """Return the default of a limit or a deadline, or a constant of the source."""
    owner, _, last = name.rpartition(".")
    if owner in LIMITS:
        return field_of(name).default
    values = {
        repr(value): value
        for module, value in constants().get(last, ())
        if not owner or owner in module.split(".")
    }
    if len(values) != 1:
        raise LookupError(f"{name}: the source has {', '.join(values) or 'no such constant'}")
    return next(iter(values.values()))


def reason(name: str) -> str:
    """Return the reason for a number, as a phrase without a full stop."""
    text = OPTIONS[name].reason if name in OPTIONS else str(field_of(name).metadata["why"])
    if not text:
        raise LookupError(f"{name} has no reason")
    return text.removesuffix(".")


def field_of(name: str) -> Any:
    owner, _, last = name.rpartition(".")
    return next(one for one in fields(LIMITS[owner]) if one.name == last)


@cache
def constants() -> dict[str, list[tuple[str, Any]]]:
    """The numbers at the top of all modules: (module, value) by the name of the constant."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        known: dict[str, Any] = {}
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = evaluated(node.value, known)
                if value is not None:
                    known[node.targets[0].id] = value
                    found.setdefault(node.targets[0].id, []).append((module, value))
    return found


def evaluated(node: ast.expr, known: dict[str, Any]) -> Any:
    """Return the value of an expression of numbers, None for every other."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.Name(id=name):
            return known.get(name)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            one, other = evaluated(left, known), evaluated(right, known)
            return one * other if one is not None and other is not None else None
    return None


if __name__ == "__main__":
    print(page(), end="")
