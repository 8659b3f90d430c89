"""The options of the settings table, as click takes them.

click only splits the command line here. Values are parsed with those of the other sources, so that
a mistake on the command line and one in the file are found in the same run.
"""

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from bascule.settings import OPTIONS
from bascule.settings.kinds import Flag, Listing, Maybe
from bascule.settings.option import Option

TARGET = "target"


class SettingParameter(click.Option):
    """A click option made from a setting; `section` is the heading it is shown under."""

    def __init__(self, setting: Option[Any], default: object) -> None:
        self.setting = setting
        self.section = setting.section
        self.shown_default = setting.kind.show(default)
        super().__init__(
            names_of(setting), type=str if not is_flag(setting) else None, **style(setting)
        )

    def get_help_record(self, context: click.Context) -> tuple[str, str] | None:
        """The flags, and the help with the default."""
        record = super().get_help_record(context)
        if record is None or not self.shown_default:
            return record
        return record[0], f"{record[1]}  [{self.shown_default}]"


def is_flag(setting: Option[Any]) -> bool:
    """Whether the option stands alone on the command line."""
    return isinstance(setting.kind, Flag)


def names_of(setting: Option[Any]) -> list[str]:
    """Return click's declaration: Python name, short and long flag, the flag that negates."""
    long = setting.flag
    if is_flag(setting):
        long = f"{long}/--no-{long.removeprefix('--')}"
    return [setting.name, *([setting.short] if setting.short else []), long]


def style(setting: Option[Any]) -> dict[str, Any]:
    """Return how click treats the option; a value it does not see is None, never a default."""
    kind = setting.kind.kind if isinstance(setting.kind, Maybe) else setting.kind
    common = {"help": setting.help, "default": None}
    if isinstance(kind, Flag):
        return common
    return {**common, "metavar": kind.metavar, "multiple": isinstance(kind, Listing)}


def parameters(preset: Mapping[str, object]) -> list[click.Parameter]:
    """Return TARGET and all options, with the defaults of a command that has its own."""
    target = click.Argument([TARGET], required=False, type=str)
    options = [setting for name, setting in OPTIONS.items() if name != TARGET]
    return [target, *(SettingParameter(it, preset.get(it.name, it.default)) for it in options)]


def typed(context: click.Context) -> dict[str, object]:
    """Return what was typed, by the names of the settings."""
    return {
        name: value
        for name, value in context.params.items()
        if name in OPTIONS and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
