"""Hypercorn's configuration in TOML."""

import re
import tomllib
from collections.abc import Mapping

from bascule.errors import UsageError
from bascule.migration.hypercorn import TABLE
from bascule.migration.python_files import PythonFile, shortened
from bascule.migration.shapes import Found, Reading
from bascule.settings.file import key_lines

# A key that Hypercorn has and other programs hardly have.
KEYS = frozenset(TABLE.by_name())


def is_hypercorn(name: str, text: str) -> bool:
    """Whether a file is a configuration of Hypercorn, by its name or by its keys."""
    if name.endswith(".py"):
        return "hypercorn" in name
    if not name.endswith(".toml") or name in ("pyproject.toml", "bascule.toml"):
        return False
    keys = set(re.findall(r"^(\w+)\s*=", text, re.MULTILINE))
    return "hypercorn" in name or bool(keys and len(keys & KEYS) * 2 > len(keys))


def read_hypercorn(name: str, text: str, environment: Mapping[str, str]) -> Reading:
    """Read a file in TOML or in Python. Raises UsageError."""
    if name.endswith(".py"):
        return PythonFile(TABLE, name, text, environment).read()
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name}: is not valid TOML: {error}") from None
    lines = key_lines(text)
    reading = Reading()
    for key, value in table.items():
        place = f"{name} line {lines[key]}" if key in lines else name
        reading.found.append(
            (TABLE.name, Found(key, value, place, shortened(f"{key} = {value!r}")))
        )
    return reading
