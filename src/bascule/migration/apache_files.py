"""A virtual host of Apache with mod_wsgi."""

import re
import shlex
from collections.abc import Mapping

from bascule.errors import UsageError
from bascule.migration.launchers import logical_lines
from bascule.migration.mod_wsgi import TABLE
from bascule.migration.python_files import shortened
from bascule.migration.shapes import Found, Reading, Remark

REPEATED = frozenset(one.name for one in TABLE.settings if one.repeats)
# Sections whose content stands for itself; their own condition decides nothing here.
SECTIONS = re.compile(r"</?([A-Za-z]+)\s*([^>]*)>$")


def is_apache(name: str, text: str) -> bool:
    """Whether a file has directives of mod_wsgi."""
    return bool(re.search(r"^\s*WSGI[A-Z]\w+\s", text, re.MULTILINE))


def read_apache(name: str, text: str, environment: Mapping[str, str]) -> Reading:
    """Read the directives of all sections. Raises UsageError."""
    reading = Reading()
    names = {one.name.lower(): one.name for one in TABLE.settings}
    variables: dict[str, str] = {}
    values: dict[str, list[tuple[int, str, str]]] = {}
    hosts = 0
    for number, line in logical_lines(text, "#"):
        line = line.strip()
        place = f"{name} line {number}"
        if not line:
            continue
        if line.startswith("<"):
            section = SECTIONS.match(line)
            if section is None:
                raise UsageError(f"{place}: the section has no > at its end")
            if not line.startswith("</") and section[1].lower() == "virtualhost":
                hosts += 1
                values.setdefault("VirtualHost", []).append((number, line, section[2].strip()))
            continue
        for variable, content in variables.items():
            line = line.replace(f"${{{variable}}}", content)
        directive, _, rest = line.partition(" ")
        if "\t" in directive:
            directive, _, rest = line.partition("\t")
        rest = rest.strip()
        if directive.lower() == "define":
            variable, _, content = rest.partition(" ")
            variables[variable] = content.strip()
            continue
        setting = names.get(directive.lower())
        if setting == "WSGIDaemonProcess":
            daemon(place, rest, reading)
        elif setting is None:
            says = "Bascule has no counterpart to this directive of Apache; a proxy in front can."
            reading.remarks.append(Remark(place, shortened(line), says))
        else:
            if setting == "WSGIScriptAlias":
                options = [word for word in rest.split() if "=" in word]
                rest = " ".join(word for word in rest.split() if "=" not in word)
                for option in options:
                    key, _, content = option.partition("=")
                    reading.found.append((TABLE.name, Found(key, content, place, option)))
            values.setdefault(setting, []).append((number, line, rest.strip("\"'")))
    for setting, lines in values.items():
        add(reading, name, setting, lines)
    if hosts > 1:
        says = (
            "The settings of all virtual hosts are read as those of one server. If they serve "
            "different applications, migrate each in a file of its own, or see `mount`."
        )
        reading.remarks.append(Remark(name, f"{hosts} virtual hosts", says))
    return reading


def daemon(place: str, rest: str, reading: Reading) -> None:
    """Add the options of WSGIDaemonProcess. Raises UsageError."""
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None
    if len(words) < 2:
        one = Found("WSGIDaemonProcess", rest, place, f"WSGIDaemonProcess {rest}")
        reading.found.append((TABLE.name, one))
    for word in words[1:]:
        key, _, content = word.partition("=")
        reading.found.append((TABLE.name, Found(key, content, place, word)))


def add(reading: Reading, name: str, setting: str, lines: list[tuple[int, str, str]]) -> None:
    """Add the values of one directive; those that repeat are one list."""
    if setting in REPEATED:
        values = list(dict.fromkeys(rest.replace('"', "") for _, _, rest in lines))
        number = lines[0][0]
        text = shortened("; ".join(line for _, line, _ in lines))
        value: object = values if len(values) > 1 else values[0]
        if setting == "Header":
            value = [rest for _, _, rest in lines]
        reading.found.append((TABLE.name, Found(setting, value, f"{name} line {number}", text)))
        return
    for number, line, rest in lines:
        one = Found(setting, rest, f"{name} line {number}", shortened(line))
        reading.found.append((TABLE.name, one))
