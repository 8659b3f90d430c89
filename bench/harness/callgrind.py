"""Reads the profiles that callgrind writes, and the names that Cython gives to C functions.

The format is described in valgrind's manual, "Callgrind Format Specification". A profile names
objects, files and functions, each once. A line of numbers is a cost of the function named last; if
it follows a `calls=` line, the cost of a call of another function.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Files (fl, fi, fe, cfi, cfl) do not matter here.
ASSIGNMENT = re.compile(r"(fn|cfn|ob|cob)=(?:\((\d+)\) ?)?(.*)")
# The prefixes of Cython's functions; the parts of the module's name follow, each with its length.
CYTHON = re.compile(r"__pyx_(f|pw|pf|tp_new_vectorcall|tp_new|tp_dealloc|tp_vectorcall|getprop|"
                    r"setprop|specialmethod|gb)_(?=\d)")  # fmt: skip
KINDS = {
    "f": "",
    "pf": "",
    "pw": " (called from Python)",
    "gb": " (generator)",
    "tp_new": " (new)",
    "tp_new_vectorcall": " (new)",
    "tp_vectorcall": " (new, by vectorcall)",
    "tp_dealloc": " (dealloc)",
    "getprop": " (get)",
    "setprop": " (set)",
    "specialmethod": " (special method)",
}
PREFERRED = ("f", "pf", "pw", "gb")


@dataclass
class Function:
    """The cost of one function in a profile. `inclusive` has the functions that it called, too,
    and counts a recursive function more than once.
    """

    symbol: str
    library: str
    self_cost: int = 0
    inclusive: int = 0
    calls: int = 0


@dataclass(frozen=True)
class Profile:
    total: int
    functions: dict[str, Function]


def parse(lines: Iterable[str]) -> Profile:
    """Raises `ValueError` when the lines are no profile."""
    names: dict[tuple[str, str], str] = {}
    functions: dict[str, Function] = {}
    current, called = Function("", ""), ""
    library, called_library, calls = "", "", 0
    total = None
    for line in lines:
        if not line.strip():
            continue
        if line[0].isdigit() or line[0] in "+-*":
            cost = int(line.split()[-1])
            current.inclusive += cost
            if called:
                functions.setdefault(called, Function(called, called_library)).calls += calls
                called, called_library = "", library
            else:
                current.self_cost += cost
            continue
        if line.startswith("calls="):
            calls = int(line.removeprefix("calls=").split()[0])
            continue
        if line.startswith(("totals:", "summary:")):
            total = int(line.split()[1])
            continue
        if (found := ASSIGNMENT.match(line.rstrip("\n"))) is None:
            continue
        key, number, name = found.groups()
        space = key[-2:]  # cfn and fn share their numbers, and so do cob and ob
        if number is not None:
            name = names.setdefault((space, number), name) if name else names[space, number]
        if key == "fn":
            current = functions.setdefault(name, Function(name, library))
            current.library = library
        elif key == "ob":
            library = called_library = name
        elif key == "cob":
            called_library = name
        elif key == "cfn":
            called = name
    if total is None:
        raise ValueError("no totals: this is not a profile of callgrind, or not the whole of one")
    return Profile(total, functions)


def readable(symbol: str) -> str:
    """`__pyx_f_7bascule_9protocols_5http1_6engine_11Http1Engine_next_event` as
    `protocols.http1.engine.Http1Engine.next_event`; other symbols as they are.
    """
    found = CYTHON.match(symbol)
    if found is None:
        return symbol
    parts, rest = split(symbol[found.end() :])
    if found[1] in ("pw", "pf", "gb"):
        # Here a number stands before the last name, and is no length.
        if not rest[:1].isdigit():
            last = parts.pop()
            rest = f"{len(last)}{last}" + (f"_{rest}" if rest else "")
        rest = rest.lstrip("0123456789")
    names = parts[1:] if parts[:1] == ["bascule"] else parts
    return ".".join([*names, rest] if rest else names) + KINDS[found[1]]


def split(mangled: str) -> tuple[list[str], str]:
    """The parts that have their length before them, and what follows."""
    parts = []
    while (found := re.match(r"\d+", mangled)) is not None:
        end = found.end() + int(found[0])
        if mangled[end : end + 1] not in ("", "_"):
            break
        parts.append(mangled[found.end() : end])
        mangled = mangled[end + 1 :]
    return parts, mangled


def matches(name: str, symbols: Iterable[str]) -> list[str]:
    """The symbols that `name` means: a symbol itself, or the end of a readable name. Of the C
    functions that Cython makes of one function, only that with its body.
    """
    found: dict[str, list[str]] = {}
    for symbol in symbols:
        if symbol == name:
            return [symbol]
        kind = CYTHON.match(symbol)
        if kind is None or kind[1] not in PREFERRED:
            continue
        plain = readable(symbol).removesuffix(KINDS[kind[1]])
        if plain == name or plain.endswith(f".{name}"):
            found.setdefault(plain, []).append(symbol)
    return [min(same, key=preference) for same in found.values()]


def preference(symbol: str) -> int:
    found = CYTHON.match(symbol)
    return PREFERRED.index(found[1]) if found else len(PREFERRED)
