"""uwsgi.ini: keys that may repeat, variables, and text that uWSGI replaces."""

import os
import re
from collections.abc import Mapping

from bascule.errors import UsageError
from bascule.migration.python_files import shortened
from bascule.migration.shapes import UNKNOWN, Found, Reading, Remark
from bascule.migration.uwsgi import TABLE

PLACEHOLDER = re.compile(r"%\(([^)]+)\)|\$\((\w+)\)|%([nNdDpkvs])")
LOGIC = re.compile(r"(?:if|ifnot|end|for|endfor)(?:-\w+)*")


def is_uwsgi(name: str, text: str) -> bool:
    """Whether a file has the section of uWSGI."""
    return bool(re.search(r"^\s*\[uwsgi\]", text, re.MULTILINE | re.IGNORECASE))


def read_uwsgi(name: str, text: str, environment: Mapping[str, str]) -> Reading:
    """Read the [uwsgi] section. Raises UsageError for a line that is no KEY = VALUE."""
    reading = Reading()
    flags = TABLE.by_flag()
    own: dict[str, str] = {}
    values: dict[str, list[tuple[int, str, str]]] = {}
    unknown: list[Found] = []
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if header := re.fullmatch(r"\[([^]]*)\].*", line):
            section = header[1].strip().lower()
            continue
        if section != "uwsgi":
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not re.fullmatch(r"[\w.-]+", key):
            raise UsageError(f"{name} line {number}: this is neither [SECTION] nor KEY = VALUE")
        place = f"{name} line {number}"
        if LOGIC.fullmatch(key):
            says = "Bascule reads what follows as if the condition held; check it."
            reading.remarks.append(Remark(place, line, says))
            continue
        value = re.split(r"\s[;#]", value)[0].strip() if equals else "true"
        value, missing = replaced(value, own, name, environment)
        setting = flags.get(f"--{key.replace('_', '-')}")
        if setting is None:
            own[key] = value
            if key in ("set", "set-placeholder"):
                variable, _, content = value.partition("=")
                own[variable.strip()] = content.strip()
            elif not is_used(key, text):
                says = (
                    f"Bascule has no counterpart to {key}, and knows no more about it. If it is "
                    "needed, search docs/reference/settings.md for what it does."
                )
                reading.remarks.append(Remark(place, shortened(line), says))
            continue
        own[key] = value
        if missing:
            why = f"{', '.join(missing)} is not set here"
            unknown.append(
                Found(setting.name, UNKNOWN, place, shortened(line), (why,), tuple(missing))
            )
        elif setting.repeats:
            values.setdefault(setting.name, []).append((number, line, value))
        else:
            for earlier, text_before, _ in values.get(setting.name, ()):
                says = f"Line {number} says it again, and is used."
                reading.remarks.append(Remark(f"{name} line {earlier}", text_before, says))
            values[setting.name] = [(number, line, value)]
    for key, lines in values.items():
        number, line, value = lines[0]
        joined: object = [each for _, _, each in lines] if len(lines) > 1 else value
        written = shortened(", ".join(each for _, each, _ in lines))
        reading.found.append((TABLE.name, Found(key, joined, f"{name} line {number}", written)))
    reading.found += [(TABLE.name, one) for one in unknown]
    return reading


def is_used(key: str, text: str) -> bool:
    """Whether a key is a variable of the file's own."""
    return f"%({key})" in text


def replaced(
    value: str, own: Mapping[str, str], name: str, environment: Mapping[str, str]
) -> tuple[str, list[str]]:
    """Return a value with its placeholders replaced, and the variables that are not known."""
    missing: list[str] = []
    folder = os.path.dirname(os.path.abspath(name))
    base = os.path.basename(name)
    magic = {
        "n": base.rpartition(".")[0] or base,
        "N": base.rpartition(".")[0] or base,
        "s": base,
        "d": f"{folder}/",
        "D": f"{folder}/",
        "p": os.path.abspath(name),
        "k": str(os.cpu_count() or 1),
        "v": os.path.dirname(folder),
    }

    def of(found: re.Match[str]) -> str:
        variable, environ, letter = found.groups()
        if letter:
            return magic[letter]
        if variable is not None and variable in own:
            return own[variable]
        if environ is not None and environ in environment:
            return environment[environ]
        missing.append(variable or environ)
        return ""

    return PLACEHOLDER.sub(of, value), missing
