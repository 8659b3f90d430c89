"""Reads configurations and makes the settings file of them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bascule.errors import UsageError
from bascule.migration.files import (
    BY_NAME,
    KINDS,
    TABLES,
    Kind,
    read_text,
    recognise,
    usual_files,
)
from bascule.migration.plan import Plan
from bascule.migration.python_files import execute
from bascule.migration.shapes import (
    TYPED,
    UNKNOWN,
    VARIABLE,
    Found,
    Launch,
    Reading,
    Remark,
    Table,
)
from bascule.migration.shell import Invocation, expand, invocations, read_arguments, split
from bascule.migration.write import settings_file

COMMAND_LINE = "command line"
# The variables that servers read as well as their command line.
ARGUMENTS_VARIABLES = {"gunicorn": "GUNICORN_CMD_ARGS"}
SETTING_VARIABLES = {
    "gunicorn": {"WEB_CONCURRENCY": "workers", "FORWARDED_ALLOW_IPS": "forwarded_allow_ips"},
    "uvicorn": {"WEB_CONCURRENCY": "workers", "FORWARDED_ALLOW_IPS": "forwarded_allow_ips"},
}
OWN_PREFIX = {"uvicorn": "UVICORN_"}
# The file that a server reads unasked.
UNASKED = {"gunicorn": "gunicorn.conf.py"}


@dataclass(slots=True)
class Migration:
    """Collects what files and commands say.

    execute: whether configuration files in Python may be run.
    found: by server.
    sources: the names of what was read.
    """

    execute: bool = False
    found: dict[str, list[Found]] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    elsewhere: list[tuple[str, list[str]]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    read: set[str] = field(default_factory=set)

    def add_file(self, name: str, kind_name: str = "") -> None:
        """Read a file, and the files that its commands name. Raises UsageError."""
        if os.path.realpath(name) in self.read:
            return
        text = read_text(name)
        kind = BY_NAME[kind_name] if kind_name else recognise(name, text)
        self.add_text(name, text, kind, {})

    def add_text(self, name: str, text: str, kind: Kind, environment: Mapping[str, str]) -> None:
        self.read.add(os.path.realpath(name))
        self.sources.append(name)
        if self.execute and kind.name in TABLES and name.endswith(".py"):
            self.add_reading(execute(TABLES[kind.name], name), "")
            return
        self.add_reading(kind.read(name, text, environment), os.path.dirname(name))

    def add_command(self, command: str) -> None:
        """Read a command line. Raises UsageError if it starts no server."""
        self.sources.append(COMMAND_LINE)
        launch = Launch(command, COMMAND_LINE, {}, "", lambda new: str(new).splitlines())
        if not self.add_launch(launch, ""):
            names = ", ".join(TABLES)
            raise UsageError(f"the command starts none of these servers: {names}")

    def add_reading(self, reading: Reading, folder: str) -> None:
        for server, one in reading.found:
            self.found.setdefault(server, []).append(one)
        self.remarks += reading.remarks
        for launch in reading.launches:
            self.add_launch(launch, folder)

    def add_launch(self, launch: Launch, folder: str) -> bool:
        """Read a command that may start servers, and return whether it does."""
        started = invocations(launch.command, list(TABLES), launch.place, launch.environment)
        for one in started:
            self.add_invocation(one, launch, folder)
        return bool(started)

    def add_invocation(self, one: Invocation, launch: Launch, folder: str) -> None:
        table = TABLES[one.server]
        found, remarks = read_arguments(table, one.arguments, launch.place, one.environment)
        found += self.of_environment(table, one.environment, launch)
        self.remarks += remarks
        self.add_named_files(table, found, launch, folder, one.environment)
        self.found.setdefault(table.name, []).extend(found)
        if launch.rewrite is not None:
            heading = f"{launch.place}: the command becomes"
            self.elsewhere.append((heading, list(launch.rewrite(one.rewritten))))

    def of_environment(
        self, table: Table, environment: Mapping[str, str], launch: Launch
    ) -> list[Found]:
        """Return the settings in variables that the server reads."""
        found: list[Found] = []
        name = ARGUMENTS_VARIABLES.get(table.name, "")
        if name and name in environment:
            words = [word for words in split(environment[name], launch.place) for word in words]
            place = f"{launch.place}, {name}"
            more, remarks = read_arguments(table, words, place, environment, VARIABLE)
            found += more
            self.remarks += remarks
        settings = table.by_name()
        own = OWN_PREFIX.get(table.name)
        named = dict(SETTING_VARIABLES.get(table.name, {}))
        if own:
            named |= {f"{own}{setting.upper()}": setting for setting in settings}
        for variable, setting in named.items():
            if variable in environment:
                word = expand(environment[variable], environment)
                text = f"{variable}={environment[variable]}"
                found.append(
                    Found(
                        setting, word.value, launch.place, text, word.why, word.variables, VARIABLE
                    )
                )
        return found

    def add_named_files(
        self,
        table: Table,
        found: list[Found],
        launch: Launch,
        folder: str,
        environment: Mapping[str, str],
    ) -> None:
        """Read the configuration file that a command names, if it is here."""
        named = [one for one in found if one.name in ("config", "ini") and one.strength == TYPED]
        for one in named:
            if one.value is UNKNOWN:
                continue
            found.remove(one)
            name = str(one.value).removeprefix("file:").removeprefix("python:")
            where = self.here(name, launch, folder)
            if where is None:
                says = "The file is not here; give it to `bascule migrate` as well."
                self.remarks.append(Remark(one.place, one.text, says))
            elif os.path.realpath(where) not in self.read:
                self.add_text(where, read_text(where), self.kind_for(table, where), environment)
        unasked = UNASKED.get(table.name)
        if unasked and not named:
            chdir = next((str(one.value) for one in found if one.name == "chdir"), "")
            where = os.path.join(folder, "" if os.path.isabs(chdir) else chdir, unasked)
            if os.path.isfile(where) and os.path.realpath(where) not in self.read:
                self.add_text(where, read_text(where), self.kind_for(table, where), environment)

    def here(self, name: str, launch: Launch, folder: str) -> str | None:
        """Return the path on this machine of a file that a command names, if it is there.

        A unit and an image name files by the paths of another machine, so the name alone is tried
        beside the file that names it, as well.
        """
        tries = [os.path.join(folder, name), os.path.join(folder, os.path.basename(name))]
        if launch.directory:
            tries.insert(0, os.path.join(launch.directory, name))
        return next((one for one in tries if os.path.isfile(one)), None)

    def kind_for(self, table: Table, name: str) -> Kind:
        """Return the kind of a file that a server reads."""
        return next(kind for kind in KINDS if kind.name == table.name)

    def plan(self) -> Plan:
        """Convert everything that was found."""
        plan = Plan(elsewhere=self.elsewhere)
        for server, found in self.found.items():
            plan.add(TABLES[server], found)
        plan.remarks += self.remarks
        if len(self.found) > 1:
            titles = " and ".join(TABLES[server].title for server in self.found)
            says = (
                "One Bascule serves WSGI and ASGI, and a Django project by both interfaces: see "
                "docs/howto/django.md and docs/howto/several-applications.md."
            )
            plan.remarks.insert(0, Remark(f"These are {titles}", "", says))
        plan.finish()
        return plan


def migrated(
    files: Sequence[str], commands: Sequence[str], kind: str, execute: bool
) -> tuple[str, Plan]:
    """Return the text of bascule.toml, and the plan. Raises UsageError."""
    migration = Migration(execute)
    names = list(files)
    if not names and not commands:
        names = usual_files("")
        if not names:
            raise UsageError(
                "there is no configuration of another server in this directory; name a FILE, or "
                "give --command"
            )
    for command in commands:
        migration.add_command(command)
    for name in names:
        migration.add_file(name, kind)
    if not migration.found and not migration.elsewhere:
        raise UsageError(
            f"{', '.join(migration.sources)}: starts and configures none of the servers that "
            f"Bascule knows ({', '.join(TABLES)})"
        )
    plan = migration.plan()
    return settings_file(plan, migration.sources), plan
