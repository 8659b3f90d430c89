"""Settings from `bascule.toml`, or from [tool.bascule] in `pyproject.toml`.

tomllib keeps no positions, so the line of a key is found by a scan of the text afterwards. A scan
may miss exotic spellings (an inline table holding everything); the file's name alone stands in the
message then.
"""

import os
import re
from dataclasses import dataclass, field
from typing import Any

from bascule.settings.findings import Given, Layer, Rank, Source, did_you_mean, finding
from bascule.settings.option import Option
from bascule.settings.options import OPTIONS

OWN_FILE = "bascule.toml"
PROJECT_FILE = "pyproject.toml"
TABLE = ("tool", "bascule")
HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
KEY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=")


@dataclass
class FileReader:
    """Reads one settings file into a layer; what is wrong with it is added to `findings`."""

    findings: list[str]
    layer: Layer = field(default_factory=dict)

    def read(self, named: str | None) -> Layer:
        """Read the file that was named, or else the one of the current directory, if there is one.

        A pyproject.toml without [tool.bascule] belongs to other tools.
        """
        if named is not None:
            self._read_named(named)
            return self.layer
        own = self._text(OWN_FILE, needed=False)
        project = self._project_table(PROJECT_FILE, self._text(PROJECT_FILE, needed=False))
        if own is not None and project is not None:
            self.findings.append(
                f"{OWN_FILE} and [tool.bascule] in {PROJECT_FILE} both have settings; keep one "
                f"of them"
            )
        if own is not None:
            self._take(OWN_FILE, own, self._parsed(OWN_FILE, own), ())
        elif project is not None:
            self._take(PROJECT_FILE, *project, TABLE)
        return self.layer

    def _read_named(self, named: str) -> None:
        text = self._text(named, needed=True)
        if text is None:
            return
        if os.path.basename(named) != PROJECT_FILE:
            self._take(named, text, self._parsed(named, text), ())
            return
        project = self._project_table(named, text)
        if project is None:
            self.findings.append(f"{named}: has no [tool.bascule] table")
        else:
            self._take(named, *project, TABLE)

    def _text(self, name: str, needed: bool) -> str | None:
        try:
            with open(name, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            if needed:
                self.findings.append(f"{name}: there is no such file")
        except OSError as error:
            self.findings.append(f"{name}: cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            self.findings.append(f"{name}: is not UTF-8 text: byte {error.start} cannot be read")
        return None

    def _project_table(self, name: str, text: str | None) -> tuple[str, dict[str, Any]] | None:
        # Most projects have a pyproject.toml that does not speak of us; tomllib is not loaded for
        # those.
        if text is None or "bascule" not in text:
            return None
        tool = self._parsed(name, text).get("tool")
        table = tool.get("bascule") if isinstance(tool, dict) else None
        return (text, table) if isinstance(table, dict) else None

    def _parsed(self, name: str, text: str) -> dict[str, Any]:
        import tomllib

        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self.findings.append(f"{name}: is not valid TOML: {error}")
            return {}

    def _take(self, name: str, text: str, table: dict[str, Any], prefix: tuple[str, ...]) -> None:
        lines = key_lines(text, prefix)
        for key, value in table.items():
            line = lines.get(key)
            source = Source(Rank.FILE, f"{name} line {line}" if line else name, key)
            self._take_key(Given(value, source))

    def _take_key(self, given: Given) -> None:
        key = given.source.key
        option = OPTIONS.get(key.replace("-", "_"))
        if option is None:
            known = [other.name for other in OPTIONS.values() if other.in_file]
            hint = did_you_mean(key.replace("-", "_"), known)
            self.findings.append(finding(given.source, f"is not a setting{hint}"))
        elif not option.in_file:
            self.findings.append(finding(given.source, not_in_file(option)))
        elif option.name in self.layer:
            self.findings.append(
                finding(given.source, "is given twice, with - and with _; keep one")
            )
        else:
            self.layer[option.name] = given


def not_in_file(option: Option[Any]) -> str:
    """Return the complaint about an option that names the file it would stand in."""
    return f"cannot be set in a file; use {option.flag} or {option.variable}"


def key_lines(text: str, prefix: tuple[str, ...] = ()) -> dict[str, int]:
    """Map the keys of the table named `prefix` to their line numbers, counted from 1."""
    lines: dict[str, int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            table = dotted(header[1])
            name = table
        elif key := KEY.match(line):
            name = table + dotted(key[1])
        else:
            continue
        if len(name) > len(prefix) and name[: len(prefix)] == prefix:
            lines.setdefault(name[len(prefix)], number)
    return lines


def dotted(name: str) -> tuple[str, ...]:
    """Split a dotted TOML key into its parts, without their quotes."""
    return tuple(part.strip().strip("\"'") for part in name.split("."))
