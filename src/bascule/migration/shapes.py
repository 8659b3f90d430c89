"""The data of a migration."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal


class Unknown:
    """The value of a setting that is not known before the server runs."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()

# The strength of a source among those of one server: the higher one wins.
FILE = 1
VARIABLE = 2
TYPED = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A setting of another server, as it was found.

    name: the server's own name of the setting.
    value: as Python has it, or text; `UNKNOWN` for a value that depends on the run.
    place: "gunicorn.conf.py line 3", "Procfile line 1".
    text: as it is written there: "workers = 4", "--workers 4".
    why: assumptions that led to the value, or the reason why it is not known.
    variables: the environment variables that it depends on.
    strength: of the source.
    """

    name: str
    value: object
    place: str
    text: str
    why: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    strength: int = FILE


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of converting one value.

    values: settings of Bascule by name, as they would be written in bascule.toml.
    remark: the part that has no counterpart, and what to do instead; a sentence.
    """

    values: Mapping[str, object] = field(default_factory=dict)
    remark: str = ""


Settings = Mapping[str, object]
# Takes the value, and the values of all settings that were found of this server. Raises ValueError
# with the end of a sentence for a value that the server itself would refuse.
Convert = Callable[[object, Settings], Outcome]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of another server.

    name: as its configuration file or its Python API has it.
    flags: of its command line.
    convert: makes an outcome of a value.
    counterpart: the setting of Bascule; empty for a setting that is only answered.
    note: what differs, or why there is no counterpart and what to do instead; a sentence.
    takes: "value" if the flag takes one, "pair" if it takes two, "nothing" if it stands alone,
        "optional" for one or none.
    alone: the value of a flag that stands alone.
    repeats: whether the flag may be given several times.
    """

    name: str
    flags: tuple[str, ...]
    convert: Convert
    counterpart: str = ""
    note: str = ""
    takes: Literal["value", "pair", "nothing", "optional"] = "value"
    alone: object = True
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """All settings of one server.

    name: of the program.
    title: of the server.
    settings: in the order of its documentation.
    target: the setting that names the application, given without a flag.
    commands: words before it that say what the program does.
    defaults: for settings that are not given, what changes without them; by name.
    """

    name: str
    title: str
    settings: tuple[Setting, ...]
    target: str = ""
    commands: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)

    def by_name(self) -> dict[str, Setting]:
        return {setting.name: setting for setting in self.settings}

    def by_flag(self) -> dict[str, Setting]:
        return {flag: setting for setting in self.settings for flag in setting.flags}


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding for people.

    place, text: where and what was found; text is empty for a remark about a file.
    says: sentences.
    """

    place: str
    text: str
    says: str


@dataclass(slots=True)
class Reading:
    """The content of one file.

    found: settings, with the name of their server.
    launches: commands that start a server.
    remarks: about everything else.
    """

    found: list[tuple[str, Found]] = field(default_factory=list)
    launches: list["Launch"] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that starts a server, and what surrounds it.

    command: for a shell, or the words of a command.
    place: where it stands.
    environment: the variables that the file sets for it.
    directory: in which the command runs, as far as the file says; empty if it does not.
    rewrite: makes the new lines for the same file of the new command; each is shown as it is.
    """

    command: str | Sequence[str]
    place: str
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = ""
    rewrite: "Callable[[str | list[str]], Iterable[str]] | None" = None
