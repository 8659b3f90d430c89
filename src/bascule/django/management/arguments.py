"""The options of the settings table, as argparse takes them for a command of Django's.

As on the other command line, values are only split here, and parsed with those of the other
sources. An option that was not typed is absent, so that it cannot hide another source.
"""

from argparse import SUPPRESS, Action, ArgumentParser, BooleanOptionalAction
from collections.abc import Container, Mapping, Sequence
from typing import Any

from bascule.errors import UsageError
from bascule.settings import OPTIONS
from bascule.settings.option import Option
from bascule.settings.options import COMMON, in_short
from bascule.settings.web_kinds import AN_ADDRESS

# Those that lead to the application: under manage.py, it is the project. An env-file would come
# when the settings module has been loaded.
NOT_HERE = frozenset({"target", "app_dir", "factory", "env_file"})


# The destination of words that belong to no option.
WORDS = "words"


# The beginning of --help.
EXAMPLES = """\
  manage.py serve                  on 127.0.0.1:8000
  manage.py serve -b :8080 -w 4    on all interfaces, with four workers
  manage.py serve --reload         started again when files change

"""


def add_settings(parser: ArgumentParser) -> None:
    """Add an option for each setting, under the headings of the table. --help has the common ones,
    --help-all every one."""
    # Else all of them would stand in the first line of the help.
    parser.usage = "%(prog)s [options]"
    # Taken only to say what to type: runserver has an address there.
    parser.add_argument(WORDS, nargs="*", help=SUPPRESS)
    groups: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        if name in NOT_HERE:
            continue
        if option.section not in groups:
            groups[option.section] = parser.add_argument_group(option.section)
        flags = [*([option.short] if option.short else []), option.flag]
        groups[option.section].add_argument(*flags, **style(option))
    parser.add_argument("--help-all", action=HelpAll, help="show every option and exit")
    full = parser.format_help

    def format_help() -> str:
        with_all(parser, COMMON)
        return f"{EXAMPLES}{full()}"

    # Of this parser alone: argparse has no place for text that keeps its lines.
    vars(parser)["format_help"] = format_help
    vars(parser)["format_full_help"] = full


class HelpAll(Action):
    """Shows the help that has everything."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, SUPPRESS, nargs=0, default=SUPPRESS, help=help)

    def __call__(self, parser: ArgumentParser, *args: Any) -> None:
        with_all(parser, OPTIONS)
        print(vars(parser)["format_full_help"](), end="")
        parser.exit()


def with_all(parser: ArgumentParser, shown: Container[str]) -> None:
    """Show the settings of these names in the help, in short unless all of them are."""
    # A private attribute; without it the help shows every option.
    for action in getattr(parser, "_actions", ()):
        option = OPTIONS.get(action.dest)
        if option is None:
            continue
        if action.dest not in shown:
            action.help = SUPPRESS
        elif shown is OPTIONS:
            action.help = style(option)["help"]
        else:
            action.help = in_short(option).replace("%", "%%")


def style(option: Option[Any]) -> dict[str, Any]:
    """How argparse treats an option."""
    shown = option.show(option.default)
    text = f"{option.help} [{shown}]" if shown else option.help
    common = {"dest": option.name, "default": SUPPRESS, "help": text.replace("%", "%%")}
    if option.stands_alone:
        return {**common, "action": BooleanOptionalAction}
    action = "append" if option.repeats else "store"
    return {**common, "action": action, "metavar": option.metavar}


def refuse_words(words: Sequence[str]) -> None:
    """Raise UsageError for words that belong to no option."""
    if not words:
        return
    hint = ""
    if AN_ADDRESS.fullmatch(words[0]):
        hint = f"; to listen there give --bind {words[0] if ':' in words[0] else f':{words[0]}'}"
    raise UsageError(f"{words[0]!r} belongs to no option{hint}")


def typed(options: Mapping[str, object]) -> dict[str, object]:
    """Return the typed values by the names of the settings."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in options.items()
        if name in OPTIONS and name not in NOT_HERE
    }


def words(said: Mapping[str, object]) -> list[str]:
    """Return the typed values as the words of another command line."""
    written: list[str] = []
    for name, value in said.items():
        option = OPTIONS[name]
        if option.stands_alone:
            written.append(option.flag if value else option.negation)
        else:
            values = value if isinstance(value, tuple) else (value,)
            written += [f"{option.flag}={one}" for one in values]
    return written
