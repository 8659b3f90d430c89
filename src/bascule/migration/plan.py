"""The settings that were found, converted for Bascule, with an answer for everything else."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bascule.errors import SettingsError
from bascule.migration.conversions import NOTHING_TO_DO
from bascule.migration.shapes import UNKNOWN, Found, Outcome, Remark, Setting, Table
from bascule.settings import OPTIONS, Settings
from bascule.settings.kinds import Maybe
from bascule.settings.merge import WAYS_TO_LISTEN

# Findings about files that need not be on the machine where a configuration is migrated.
ABOUT_FILES = ("does not exist", "cannot be read", "is not a directory")
PORT = "PORT"
# Settings whose values add up, if several settings of one server become them.
JOINED = frozenset({"static", "mount", "header"})
LINE = re.compile(r" line (\d+).*", re.DOTALL)


@dataclass(slots=True)
class Line:
    """A line of bascule.toml.

    value: as TOML has it.
    parsed: as Bascule reads it.
    sources: what it came from: place and text.
    notes: about the value.
    server: the title of the server that had it.
    """

    value: object
    parsed: object
    sources: list[str]
    notes: list[str] = field(default_factory=list)
    server: str = ""


@dataclass(slots=True)
class Plan:
    """The settings file to be written.

    lines: by the name of the setting.
    remarks: what has no counterpart, why, and what to do.
    defaults: what changes for settings that were not given; by server.
    elsewhere: what belongs into other files: a heading, and lines.
    """

    lines: dict[str, Line] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    defaults: dict[str, list[str]] = field(default_factory=dict)
    elsewhere: list[tuple[str, list[str]]] = field(default_factory=list)

    def add(self, table: Table, found: Sequence[Found]) -> None:
        """Convert what was found of one server."""
        settings = table.by_name()
        chosen = self.choose(table, found)
        values = {name: one.value for name, one in chosen.items()}
        for name, one in chosen.items():
            self.convert(table, settings[name], one, values)
        given = {one.name for one in found}
        self.defaults[table.title] = [
            says for name, says in table.defaults.items() if name not in given
        ]

    def choose(self, table: Table, found: Sequence[Found]) -> dict[str, Found]:
        """Return the strongest of each setting; report the others, and what is not known."""
        settings = table.by_name()
        chosen: dict[str, Found] = {}
        for one in found:
            setting = settings.get(one.name)
            if setting is None:
                says = f"{one.name} is no setting of {table.title} that Bascule knows."
                self.remarks.append(Remark(one.place, one.text, says))
            elif one.value is UNKNOWN:
                self.unknown(setting, one)
            elif one.name not in chosen:
                chosen[one.name] = one
            else:
                other = chosen[one.name]
                weak, strong = (one, other) if one.strength < other.strength else (other, one)
                chosen[one.name] = strong
                says = f"{strong.place} replaces it: {strong.text}"
                if weak.value == strong.value:
                    says = NOTHING_TO_DO
                self.remarks.append(Remark(weak.place, weak.text, says))
        return chosen

    def unknown(self, setting: Setting, one: Found) -> None:
        """Answer for a setting whose value depends on the run."""
        to = setting.counterpart
        reason = "; ".join(one.why) or "it depends on the run"
        if not to:
            self.remarks.append(Remark(one.place, one.text, setting.note))
            return
        if set(one.variables) == {PORT} and to in ("bind", "port", "host"):
            # Bascule reads PORT itself, and listens on all interfaces then.
            says = "Bascule reads PORT itself, and then listens on all interfaces."
            self.remarks.append(Remark(one.place, one.text, says))
            return
        option = OPTIONS[to]
        own = [name for name in one.variables if name in option.variables]
        if own:
            says = f"Bascule reads {own[0]} itself."
        else:
            says = (
                f"The value is not known ({reason}). Write `{to} = …`, or set {option.variable} "
                "where Bascule is started."
            )
        self.remarks.append(Remark(one.place, one.text, says))

    def convert(
        self, table: Table, setting: Setting, one: Found, values: Mapping[str, object]
    ) -> None:
        try:
            outcome = setting.convert(one.value, values)
        except (ValueError, TypeError, AttributeError) as error:
            says = f"The value {error}, so {table.title} would refuse it, too."
            self.remarks.append(Remark(one.place, one.text, says))
            return
        if not outcome.values and not outcome.remark:
            outcome = Outcome(remark=NOTHING_TO_DO)
        if outcome.remark:
            self.remarks.append(Remark(one.place, one.text, outcome.remark))
        for name, value in at_the_port(outcome, one).items():
            self.line(name, value, one, table.title)

    def line(self, name: str, value: object, one: Found, server: str) -> None:
        """Add a line, unless Bascule refuses its value or another source had another one."""
        option = OPTIONS[name]
        try:
            parsed = option.kind.parse(value)
        except ValueError as error:
            says = f"Bascule's `{name}` refuses {value!r}: it {error}."
            self.remarks.append(Remark(one.place, one.text, says))
            return
        source = f"{one.place}: {one.text}"
        existing = self.lines.get(name)
        if existing is not None:
            if existing.parsed == parsed:
                existing.sources.append(source)
                return
            if name in JOINED and existing.server == server:
                whole = dict.fromkeys((*as_tuple(existing.parsed), *as_tuple(parsed)))
                existing.parsed = tuple(whole)
                existing.value = option.kind.plain(existing.parsed)
                existing.sources.append(source)
                return
            says = f"`{name}` is taken from {existing.sources[0]}"
            self.remarks.append(Remark(one.place, one.text, says))
            return
        plain = option.kind.plain(parsed)
        if plain is None and isinstance(option.kind, Maybe):
            plain = option.kind.nothing
        if isinstance(plain, float) and plain.is_integer():
            plain = int(plain)
        notes = list(one.why)
        own = [each for each in one.variables if each in option.variables]
        if own:
            notes.append(f"{own[0]}, where it is set, is stronger")
        elif one.variables and not (name == "host" and set(one.variables) == {PORT}):
            notes.append(f"set {option.variable} to choose it in the environment")
        self.lines[name] = Line(plain, parsed, [source], notes, server)

    def finish(self) -> None:
        """Remove lines that contradict each other, with a remark for each; sort remarks."""
        self.keep_one_way_to_listen()
        self.drop_refused()
        places = list(dict.fromkeys(LINE.sub("", one.place) for one in self.remarks))
        self.remarks.sort(key=lambda one: (places.index(LINE.sub("", one.place)), line_of(one)))

    def drop_refused(self) -> None:
        """Remove lines that Bascule refuses together with the others."""
        for _ in range(len(self.lines)):
            findings = self.findings()
            wrong = [one for one in findings if not one[1].endswith(ABOUT_FILES)]
            for name, text in findings:
                if text.endswith(ABOUT_FILES):
                    note = "not on this machine"
                    if note not in self.lines[name].notes:
                        self.lines[name].notes.append(note)
            if not wrong:
                return
            name, text = wrong[0]
            line = self.lines.pop(name)
            self.remarks.append(
                Remark(line.sources[0], "", f"Bascule refuses `{name}` here: {text}.")
            )

    def findings(self) -> list[tuple[str, str]]:
        """Return what Bascule says about the settings as a whole: name and text."""
        arguments: dict[str, Any] = {
            name: line.value for name, line in self.lines.items() if name != "env_file"
        }
        try:
            Settings(**arguments)
        except SettingsError as error:
            found = []
            for finding in error.findings:
                name, _, text = finding.removeprefix("argument: ").partition(" ")
                if name in self.lines:
                    found.append((name, text))
            return found
        return []

    def keep_one_way_to_listen(self) -> None:
        ways = [way for way in WAYS_TO_LISTEN if any(name in self.lines for name in way)]
        if len(ways) < 2:
            return
        first = min(
            ways,
            key=lambda way: min(
                list(self.lines).index(name) for name in way if name in self.lines
            ),
        )
        for way in ways:
            for name in way:
                if way is not first and name in self.lines:
                    line = self.lines.pop(name)
                    says = f"Another source says where to listen: `{first[0]}` is kept."
                    self.remarks.append(Remark(line.sources[0], "", says))


def as_tuple(value: object) -> tuple[object, ...]:
    assert isinstance(value, tuple)
    return value


def line_of(remark: Remark) -> int:
    found = LINE.search(remark.place)
    return int(found[1]) if found is not None else 0


def at_the_port(outcome: Outcome, one: Found) -> Mapping[str, object]:
    """Return the values; an address with PORT in it as host and port, which PORT may replace."""
    bind = outcome.values.get("bind")
    if PORT not in one.variables or not isinstance(bind, list) or len(bind) != 1:
        return outcome.values
    host, colon, port = str(bind[0]).rpartition(":")
    if not colon or not port.isdigit():
        return outcome.values
    return {**{k: v for k, v in outcome.values.items() if k != "bind"}, "host": host, "port": port}
