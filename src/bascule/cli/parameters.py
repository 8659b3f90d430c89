"""The options of the settings table, as click takes them.

click only splits the command line here. Values are parsed with those of the other sources, so that
a mistake on the command line and one in the file are found in the same run.
"""

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from bascule.settings import OPTIONS
from bascule.settings.option import Option

TARGET = "target"


class SettingParameter(click.Option):
    """A click option made from a setting; `section` is the heading it is shown under."""

    def __init__(self, setting: Option[Any], default: object) -> None:
        self.setting = setting
        self.section = setting.section
        self.shown_default = setting.kind.show(default)
        super().__init__(
            names_of(setting), type=None if setting.stands_alone else str, **style(setting)
        )

    def get_help_record(self, context: click.Context) -> tuple[str, str] | None:
        """The flags, and the help with the default."""
        record = super().get_help_record(context)
        if record is None or not self.shown_default:
            return record
        return record[0], f"{record[1]}  [{self.shown_default}]"


def names_of(setting: Option[Any]) -> list[str]:
    """Return click's declaration: Python name, short and long flag, the flag that negates."""
    long = setting.flag
    if setting.stands_alone:
        long = f"{long}/{setting.negation}"
    return [setting.name, *([setting.short] if setting.short else []), long]


def style(setting: Option[Any]) -> dict[str, Any]:
    """Return how click treats the option; a value it does not see is None, never a default."""
    common = {"help": setting.help, "default": None}
    if setting.stands_alone:
        return common
    return {**common, "metavar": setting.metavar, "multiple": setting.repeats}


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
