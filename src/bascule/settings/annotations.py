"""The options for type checkers: `python -m bascule.settings.annotations`, into `typed.py`.

A generated TypedDict, and not one that is built from the table: type checkers and editors read
source, they do not run it.
"""

import re
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from bascule.settings.option import Option
from bascule.settings.options import OPTIONS, in_short

# An argument of its own in `serve` and `Server`, which take the object itself as well.
ARGUMENT = "websocket"

LONGEST_LINE = 99
WORDS = re.compile(r"Literal\[(.*?)\]")
INTRODUCTION = '''\
"""The options as keyword arguments, for type checkers and editors; never imported when running.

Made by `python -m bascule.settings.annotations`: change the declarations, not this file.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, TypedDict
'''


def typed() -> str:
    """Return the source of the module `typed`."""
    rest = [option for option in OPTIONS.values() if option.name != ARGUMENT]
    lines = [
        INTRODUCTION,
        *(line for option in rest for line in alias(option)),
        "",
        "class Options(TypedDict, total=False):",
        '    """The options of `serve` and `Server`, beside their own arguments."""',
        *(line for option in rest for line in field(option)),
        "",
        "",
        "class AllOptions(Options, total=False):",
        '    """The options of `Settings`."""',
        *field(OPTIONS[ARGUMENT]),
    ]
    return "\n".join(lines) + "\n"


def field(option: Option[Any]) -> Iterator[str]:
    """Yield the lines about one option: its type, and what it is."""
    annotation = option.kind.annotation
    if is_long(option):
        annotation = WORDS.sub(alias_name(option), annotation)
    default = option.kind.show(option.default)
    text = f"{in_short(option)}." + (f" Default: {default}." if default else "")
    yield ""
    yield f"    {option.name}: {annotation}"
    yield from (f"    {line}" for line in wrap(f'"""{text}"""', LONGEST_LINE - 4))


def alias(option: Option[Any]) -> Iterator[str]:
    """Yield a name for the words of an option that has too many for one line."""
    if is_long(option):
        yield f"{alias_name(option)} = Literal["
        for word in WORDS.findall(option.kind.annotation)[0].split(", "):
            yield f"    {word},"
        yield "]"
        yield ""


def is_long(option: Option[Any]) -> bool:
    return len(f"    {option.name}: {option.kind.annotation}") > LONGEST_LINE


def alias_name(option: Option[Any]) -> str:
    return option.name.title().replace("_", "")


if __name__ == "__main__":
    print(typed(), end="")
