"""The output of `bascule config`."""

from typing import Any

from bascule.settings import Settings
from bascule.settings.option import Option

MAX_VALUE = 40


def as_table(settings: Settings) -> str:
    """Return a line for each setting, with name, value and source; secrets as asterisks."""
    rows = [(it.name, shown(it, value), settings.source_of(it.name)) for it, value, _ in settings]
    name_width = max(len(name) for name, _, _ in rows)
    value_width = min(MAX_VALUE, max(len(value) for _, value, _ in rows))
    return "\n".join(
        f"{name:{name_width}}  {value:{value_width}}  {source}" for name, value, source in rows
    )


def shown(option: Option[Any], value: object) -> str:
    """Return a value for the table, an empty one as a dash."""
    return option.show(value).replace("\n", "\\n") or "-"


def as_json_text(settings: Settings) -> str:
    """Return a JSON object with value and source of each setting; secrets as asterisks."""
    import json

    values = {
        option.name: {"value": plain(option, value), "source": settings.source_of(option.name)}
        for option, value, _ in settings
    }
    return json.dumps(values, indent=2)


def plain(option: Option[Any], value: object) -> object:
    """Return a value for JSON."""
    if option.secret and value is not None:
        return option.show(value)
    return option.kind.plain(value)
