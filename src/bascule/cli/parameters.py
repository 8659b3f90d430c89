"""The settings table as options of click.

click only splits the command line. Values are parsed together with those of the other sources, so
that errors on the command line and in the file are reported at once.
"""

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from bascule.settings import OPTIONS
from bascule.settings.option import Option

TARGET = "target"


class SettingParameter(click.Option):
    """A click option made from a setting.

    section: its heading in the help.
    """

    def __init__(self, setting: Option[Any], default: object) -> None:
        self.setting = setting
        self.section = setting.section
        self.shown_default = setting.kind.show(default)
        super().__init__(
            names_of(setting), type=None if setting.stands_alone else str, **style(setting)
        )

    def get_help_record(self, context: click.Context) -> tuple[str, str] | None:
        """Return the flags, and the help with the default."""
        record = super().get_help_record(context)
        if record is None or not self.shown_default:
            return record
        return record[0], f"{record[1]}  [{self.shown_default}]"


def names_of(setting: Option[Any]) -> list[str]:
    """Return click's declaration: Python name, short and long flag, negating flag."""
    long = setting.flag
    if setting.stands_alone:
        long = f"{long}/{setting.negation}"
    return [setting.name, *([setting.short] if setting.short else []), long]


def style(setting: Option[Any]) -> dict[str, Any]:
    """Return the arguments of click's option. The value of an absent option is None, never a
    default."""
    common = {"help": setting.help, "default": None}
    if setting.stands_alone:
        return common
    return {**common, "metavar": setting.metavar, "multiple": setting.repeats}


def parameters(preset: Mapping[str, object]) -> list[click.Parameter]:
    """Return TARGET and all options, with the defaults of a command."""
    target = click.Argument([TARGET], required=False, type=str)
    options = [setting for name, setting in OPTIONS.items() if name != TARGET]
    return [target, *(SettingParameter(it, preset.get(it.name, it.default)) for it in options)]


def typed(context: click.Context) -> dict[str, object]:
    """Return the values that were typed, by the names of the settings."""
    return {
        name: value
        for name, value in context.params.items()
        if name in OPTIONS and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
