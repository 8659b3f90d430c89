"""The kinds of files that are read: how each is recognised, found and read."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bascule.errors import UsageError
from bascule.migration import (
    daphne,
    gunicorn,
    hypercorn,
    mod_wsgi,
    mod_wsgi_express,
    uvicorn,
    uwsgi,
)
from bascule.migration.apache_files import is_apache, read_apache
from bascule.migration.hypercorn_files import is_hypercorn, read_hypercorn
from bascule.migration.launchers import (
    is_compose,
    is_dockerfile,
    is_supervisor,
    is_systemd,
    read_compose,
    read_dockerfile,
    read_supervisor,
    read_systemd,
)
from bascule.migration.python_files import PythonFile
from bascule.migration.shapes import Launch, Reading, Table
from bascule.migration.uwsgi_files import is_uwsgi, read_uwsgi

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        gunicorn.TABLE,
        uvicorn.TABLE,
        hypercorn.TABLE,
        daphne.TABLE,
        uwsgi.TABLE,
        mod_wsgi.TABLE,
        mod_wsgi_express.TABLE,
    )
}
# A larger file is no configuration.
LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file.

    name: for --from.
    title: for people.
    recognises: whether a file is of this kind, by its base name and its text.
    read: returns what a file says, by its name, its text and the environment.
    usual: patterns of names that are tried in a directory, in the order of their strength.
    """

    name: str
    title: str
    recognises: Callable[[str, str], bool]
    read: Callable[[str, str, Mapping[str, str]], Reading]
    usual: tuple[str, ...] = ()


def line_of(text: str, position: int) -> int:
    """Return the number of the line at a position, from 1 on."""
    return text.count("\n", 0, position) + 1


def is_gunicorn(name: str, text: str) -> bool:
    settings = gunicorn.TABLE.by_name()
    if not name.endswith(".py"):
        return False
    return "gunicorn" in name or any(
        found in settings for found in re.findall(r"^(\w+)\s*=[^=]", text, re.MULTILINE)
    )


def read_gunicorn(name: str, text: str, environment: Mapping[str, str]) -> Reading:
    return PythonFile(gunicorn.TABLE, name, text, environment).read()


def is_shell(name: str, text: str) -> bool:
    return name.endswith((".sh", ".bash")) or text.startswith(("#!/bin/", "#!/usr/bin/env bash"))


def read_shell(name: str, text: str, environment: Mapping[str, str]) -> Reading:
    old = set(text.splitlines())

    def rewrite(new: str | list[str]) -> list[str]:
        return [line for line in str(new).splitlines() if line not in old]

    return Reading(launches=[Launch(text, name, environment, "", rewrite)])


def is_procfile(name: str, text: str) -> bool:
    return name.startswith("Procfile") or bool(re.match(r"(?:#.*\n|\s)*web:\s", text))


def read_procfile(name: str, text: str, environment: Mapping[str, str]) -> Reading:
    reading = Reading()
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*([\w-]+)\s*:\s*(.+)", line)
        if found is None:
            if line.strip() and not line.lstrip().startswith("#"):
                raise UsageError(f"{name} line {number}: this is not PROCESS: COMMAND")
            continue
        process, command = found[1], found[2]

        def rewrite(new: str | list[str], process: str = process) -> list[str]:
            return [f"{process}: {new}"]

        reading.launches.append(Launch(command, f"{name} line {number}", environment, "", rewrite))
    return reading


KINDS: tuple[Kind, ...] = (
    Kind("systemd", "a systemd unit", is_systemd, read_systemd, ("*.service",)),
    Kind(
        "supervisor",
        "a configuration of supervisord",
        is_supervisor,
        read_supervisor,
        ("supervisord.conf", "supervisor.conf"),
    ),
    Kind("procfile", "a Procfile", is_procfile, read_procfile, ("Procfile",)),
    Kind(
        "dockerfile",
        "a Dockerfile",
        is_dockerfile,
        read_dockerfile,
        ("Dockerfile", "Containerfile"),
    ),
    Kind(
        "compose",
        "a Compose file",
        is_compose,
        read_compose,
        ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"),
    ),
    Kind("uwsgi", "a configuration of uWSGI", is_uwsgi, read_uwsgi, ("uwsgi.ini", "*uwsgi*.ini")),
    Kind("apache", "a virtual host with mod_wsgi", is_apache, read_apache),
    Kind(
        "hypercorn",
        "a configuration of Hypercorn",
        is_hypercorn,
        read_hypercorn,
        ("hypercorn*.toml", "hypercorn*.py"),
    ),
    Kind(
        "gunicorn",
        "a configuration of Gunicorn",
        is_gunicorn,
        read_gunicorn,
        ("gunicorn.conf.py", "gunicorn_conf.py", "gunicorn_config.py", "gunicorn-cfg.py"),
    ),
    Kind("shell", "a shell script", is_shell, read_shell),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def read_text(name: str) -> str:
    """Return the text of a file. Raises UsageError."""
    try:
        if os.path.isdir(name):
            raise UsageError(f"{name} is a directory; name a file in it")
        with open(name, "rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise UsageError(f"{name}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise UsageError(f"{name}: is too large for a configuration file")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: is not UTF-8 text: byte {error.start} cannot be read") from None


def recognise(name: str, text: str) -> Kind:
    """Return the kind of a file. Raises UsageError."""
    base = os.path.basename(name)
    for kind in KINDS:
        if kind.recognises(base, text):
            return kind
    kinds = ", ".join(BY_NAME)
    raise UsageError(
        f"{name}: is not a configuration that Bascule knows; if it is one, say which: --from with "
        f"one of {kinds}"
    )


def usual_files(directory: str) -> list[str]:
    """Return the configuration files of a directory, by the names that they usually have."""
    from fnmatch import fnmatch

    names = sorted(one for one in os.listdir(directory or "."))
    found: list[str] = []
    for kind in KINDS:
        for pattern in kind.usual:
            for name in names:
                path = os.path.join(directory, name)
                if fnmatch(name, pattern) and os.path.isfile(path) and path not in found:
                    found.append(path)
    return found
