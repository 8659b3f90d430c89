"""Files that start a server: systemd units, Dockerfiles, supervisord programs, Compose files.

The command in them is read; user, directory and environment stay in these files, and the new lines
for them are shown.
"""

import configparser
import json
import re
from collections.abc import Mapping
from typing import Any

from bascule.errors import UsageError
from bascule.migration.shapes import Launch, Reading, Remark
from bascule.migration.shell import split

SERVERS = ("gunicorn", "uvicorn", "hypercorn", "daphne", "uwsgi", "mod_wsgi-express")
# The lines of a unit that Bascule does not change.
STAYS = ("User", "Group", "WorkingDirectory", "Environment", "ExecReload", "KillMode")


def logical_lines(text: str, comments: str) -> list[tuple[int, str]]:
    """Return the lines with the number of their first; a backslash at the end continues a line."""
    found: list[tuple[int, str]] = []
    start, whole = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(tuple(comments)):
            continue
        if not whole:
            start = number
        if line.rstrip().endswith("\\"):
            whole += line.rstrip()[:-1] + " "
            continue
        found.append((start, whole + line))
        whole = ""
    if whole:
        found.append((start, whole))
    return found


# systemd


def is_systemd(name: str, text: str) -> bool:
    return name.endswith((".service", ".service.j2")) or bool(
        re.search(r"^\s*ExecStart\s*=", text, re.MULTILINE)
    )


def read_systemd(name: str, text: str, environment: Mapping[str, str]) -> Reading:
    """Read a service unit. Raises UsageError for a line that is none of a unit."""
    reading = Reading()
    entries: list[tuple[int, str, str]] = []
    for number, line in logical_lines(text, "#;"):
        if not line.strip() or re.match(r"\s*\[[^]]+\]\s*$", line):
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise UsageError(f"{name} line {number}: this is neither [SECTION] nor KEY=VALUE")
        entries.append((number, key.strip(), value.strip()))
    known = dict(environment)
    for number, key, value in entries:
        if key == "Environment":
            for words in split(value, f"{name} line {number}"):
                for word in words:
                    variable, _, setting = word.partition("=")
                    known[variable] = setting
    last = {key: (number, value) for number, key, value in entries}
    directory = last.get("WorkingDirectory", (0, ""))[1].lstrip("-")
    for number, key, value in entries:
        place = f"{name} line {number}"
        if key == "EnvironmentFile":
            says = (
                "Its variables are not read here. It stays in the unit; Bascule reads BASCULE_* "
                "variables in it."
            )
            reading.remarks.append(Remark(place, f"{key}={value}", says))
        elif key == "ExecStart" and value:
            command = value.lstrip("-@:+!|")
            extra = unit_lines(last, bool(directory))

            def rewrite(new: str | list[str], extra: list[str] = extra) -> list[str]:
                return [f"ExecStart={new}", *extra]

            reading.launches.append(Launch(command, place, known, directory, rewrite))
        elif key == "PIDFile":
            says = "Bascule needs no PID file under systemd; remove this line with `Type=forking`."
            reading.remarks.append(Remark(place, f"{key}={value}", says))
    return reading


def unit_lines(last: Mapping[str, tuple[int, str]], has_directory: bool) -> list[str]:
    """Return the other lines of a unit that change, and those that stay."""
    lines = []
    if last.get("Type", (0, "simple"))[1] != "notify":
        lines.append("Type=notify")
    stays = [key for key in STAYS if key in last]
    if stays:
        lines.append(f"# {', '.join(stays)} stay as they are.")
    if not has_directory:
        lines.append("# WorkingDirectory= is to be the directory of bascule.toml.")
    return lines


# Dockerfile


def is_dockerfile(name: str, text: str) -> bool:
    return (
        name.lower().startswith(("dockerfile", "containerfile"))
        or name.lower().endswith(".dockerfile")
        or bool(re.match(r"(?:\s*#.*\n|\s)*(?:ARG .*\n|\s|#.*\n)*FROM\s+\S+", text, re.IGNORECASE))
    )


def read_dockerfile(name: str, text: str, environment: Mapping[str, str]) -> Reading:
    """Read the last stage of a Dockerfile."""
    reading = Reading()
    known = dict(environment)
    commands: dict[str, tuple[int, str]] = {}
    for number, line in logical_lines(text, "#"):
        instruction, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        match instruction.upper():
            case "FROM":
                known, commands = dict(environment), {}
            case "ENV":
                known.update(variables(rest, f"{name} line {number}"))
            case "CMD" | "ENTRYPOINT":
                commands[instruction.upper()] = (number, rest)
    entry, command = commands.get("ENTRYPOINT"), commands.get("CMD")
    if entry is not None and starts_server(entry[1]):
        reading.launches.append(of_docker(name, "ENTRYPOINT", entry, command, known))
    elif command is not None:
        reading.launches.append(of_docker(name, "CMD", command, None, known))
        if entry is not None:
            says = "It stays: the new CMD has its words from bascule on."
            place = f"{name} line {entry[0]}"
            reading.remarks.append(Remark(place, f"ENTRYPOINT {entry[1]}", says))
    return reading


def starts_server(command: str) -> bool:
    return any(re.search(rf"(?<![\w-]){server}(?![\w.-])", command) for server in SERVERS)


def variables(text: str, place: str) -> dict[str, str]:
    """Return the variables of ENV: NAME=value …, or NAME value."""
    first, _, rest = text.partition(" ")
    if "=" not in first:
        return {first: rest.strip()}
    words = [word for command in split(text, place) for word in command]
    return dict(word.split("=", 1) for word in words if "=" in word)


def words_of(text: str, place: str) -> list[str]:
    """Return the words of a command in brackets. Raises UsageError."""
    try:
        words = json.loads(text)
    except ValueError:
        raise UsageError(f"{place}: the brackets hold no JSON list of texts") from None
    if not isinstance(words, list) or not all(isinstance(one, str) for one in words):
        raise UsageError(f"{place}: the brackets hold no JSON list of texts")
    return words


def of_docker(
    name: str,
    instruction: str,
    written: tuple[int, str],
    more: tuple[int, str] | None,
    environment: Mapping[str, str],
) -> Launch:
    """Return the command of ENTRYPOINT or CMD; CMD has further words of an ENTRYPOINT."""
    number, text = written
    place = f"{name} line {number}"
    if not text.startswith("["):
        return Launch(text, place, environment, "", lambda new: [f"{instruction} {new}"])
    words = words_of(text, place)
    lines = []
    if more is not None and more[1].startswith("["):
        words += words_of(more[1], f"{name} line {more[0]}")
        lines.append("# CMD is not needed any more.")

    def rewrite(new: str | list[str]) -> list[str]:
        return [f"{instruction} {json.dumps(new, ensure_ascii=False)}", *lines]

    return Launch(words, place, environment, "", rewrite)


# supervisord


def is_supervisor(name: str, text: str) -> bool:
    return bool(re.search(r"^\[(?:program|fcgi-program):[^]]+\]", text, re.MULTILINE))


def read_supervisor(name: str, text: str, environment: Mapping[str, str]) -> Reading:
    """Read the programs of a supervisord configuration. Raises UsageError."""
    reading = Reading()
    for section, values, numbers in ini_sections(name, text):
        command = values.get("command")
        if not section.startswith(("program:", "fcgi-program:")) or not command:
            continue
        place = f"{name} line {numbers['command']}"
        known = {**environment, **pairs(values.get("environment", ""))}
        if values.get("numprocs", "1") != "1":
            says = "Bascule's `workers` has several processes at one address; remove numprocs."
            where = f"{name} line {numbers['numprocs']}"
            text = f"numprocs={values['numprocs']}"
            reading.remarks.append(Remark(where, text, says))

        def rewrite(
            new: str | list[str], section: str = section, values: Any = values
        ) -> list[str]:
            lines = [f"[{section}]", f"command={new}"]
            if "directory" not in values:
                lines.append("; directory= is to be the directory of bascule.toml.")
            if values.get("stopsignal", "TERM").upper() not in ("TERM", "INT"):
                lines.append("stopsignal=TERM")
            lines.append("; stopwaitsecs=40 leaves requests time to finish (30 s and a margin).")
            return lines

        reading.launches.append(
            Launch(command, place, known, values.get("directory", ""), rewrite)
        )
    return reading


def pairs(text: str) -> dict[str, str]:
    """Return the variables of environment=A="b",C="d"."""
    found = re.findall(r"""(\w+)\s*=\s*("(?:[^"]*)"|'[^']*'|[^,\s]*)""", text)
    return {name: value.strip("\"'") for name, value in found}


def ini_sections(name: str, text: str) -> list[tuple[str, dict[str, str], dict[str, int]]]:
    """Return the sections of an INI file: name, values, and the lines of the values."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, delimiters=("=",))
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        number = getattr(error, "lineno", None)
        errors = getattr(error, "errors", None)
        if number is None and errors:
            number = errors[0][0]
        place = f"{name} line {number}" if number else name
        raise UsageError(f"{place}: this is neither [SECTION] nor KEY=VALUE") from None
    lines: dict[str, dict[str, int]] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[([^]]+)\]", line):
            section = header[1]
        elif key := re.match(r"([^=:#;\s][^=]*?)\s*=", line):
            lines.setdefault(section, {}).setdefault(key[1], number)
    return [
        (
            one,
            {key: (value or "").split(" ;")[0].strip() for key, value in parser.items(one)},
            lines.get(one, {}),
        )
        for one in parser.sections()
    ]


# Compose


def is_compose(name: str, text: str) -> bool:
    return bool(
        re.fullmatch(r"(?:docker-)?compose[\w.-]*\.ya?ml", name)
        or (
            name.endswith((".yml", ".yaml"))
            and re.search(r"^services:", text, re.MULTILINE)
            and re.search(r"^\s+command:", text, re.MULTILINE)
        )
    )


def read_compose(name: str, text: str, environment: Mapping[str, str]) -> Reading:
    """Read the simple commands of a Compose file: on one line, or a list in brackets or below.

    YAML is not parsed as a whole: anchors and block texts are reported.
    """
    reading = Reading()
    lines = text.splitlines()
    for index, line in enumerate(lines):
        found = re.match(r"(\s+)(command|entrypoint):\s*(.*?)\s*$", line)
        if found is None:
            continue
        place = f"{name} line {index + 1}"
        indent, key, value = len(found[1]), found[2], found[3]
        command: str | list[str]
        if value[:1] in (">", "|"):
            body = block(lines, index, indent)
            command = (" " if value[0] == ">" else "\n").join(one.strip() for one in body)
        elif value.startswith("["):
            command = [unquoted(one) for one in re.findall(QUOTED_OR_PLAIN, value.strip("[]"))]
        elif not value:
            command = [unquoted(one.strip()[1:].strip()) for one in block(lines, index, indent)]
        elif value.startswith(("&", "*")):
            says = "An anchor of YAML is not read; give the command with --command."
            reading.remarks.append(Remark(place, line.strip(), says))
            continue
        else:
            body = [value, *(one.strip() for one in block(lines, index, indent))]
            command = unquoted(" ".join(body).split(" #")[0])
        if isinstance(command, str):
            command = command.replace("$$", "$")

        def rewrite(new: str | list[str], key: str = key) -> list[str]:
            if isinstance(new, list):
                return [f"{key}: {json.dumps(new, ensure_ascii=False)}"]
            lines = new.splitlines()
            return [f"{key}: {new}"] if len(lines) == 1 else [f"{key}: |", *lines]

        reading.launches.append(Launch(command, place, environment, "", rewrite))
    return reading


QUOTED_OR_PLAIN = r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^,\s]+)"""


def block(lines: list[str], index: int, indent: int) -> list[str]:
    """Return the lines that belong to the key on a line, by their indentation."""
    found = []
    for line in lines[index + 1 :]:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        if depth < indent or (depth == indent and not line.lstrip().startswith("- ")):
            break
        found.append(line)
    return found


def unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
