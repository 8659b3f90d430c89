"""The reference page: `python -m bascule.settings.reference > docs/reference/settings.md`."""

from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap
from typing import Any

from bascule.settings.kinds import Flag, Listing, Maybe, Seconds, Whole, Words
from bascule.settings.option import Option
from bascule.settings.options import OPTIONS
from bascule.settings.web_kinds import AsgiExtensions

# Of prose, in Markdown.
WIDTH = 100

INTRODUCTION = """\
# Settings

<!-- Made by `python -m bascule.settings.reference`: change the declarations, not this page. -->

Every setting can be given in four places, for a Django project in five. The stronger one wins:

1. the command line: `bascule serve mysite.wsgi --threads 4`
2. the environment: `BASCULE_THREADS=4`
3. the file of variables that `--env-file` names: `BASCULE_THREADS=4`
4. the settings file: `threads = 4`
5. of a Django project that TARGET names, or whose manage.py is there: its settings module,
   `BASCULE = {"THREADS": 4}` ([Django](../howto/django.md))

`bascule config` prints each value and the place that gave it. All mistakes are reported at once,
with the file and the line, the variable or the flag, and `bascule` then exits with code 2 and
starts nothing. A wrong value is refused even where a stronger place overrides it.

`bascule dev` has a few other defaults; `bascule dev --help` shows them. In Python the same names
are the keyword arguments of `bascule.serve(app, threads=4)`; there no variable and no file is read
unless you name one.

## The settings file

`bascule.toml` in the current directory, or the table `[tool.bascule]` of `pyproject.toml` there.
Both at once are refused. `--config FILE` names another; in a file called `pyproject.toml` the
table is read, in any other file the keys at the top.

```toml
target = "mysite.wsgi"
bind = ["127.0.0.1:8000", "unix:/run/mysite.sock"]
threads = 16
access-log = false
```

Keys may be written with `-` or with `_`. Paths are relative to the current directory.

## Variables

On and off are `1`, `true`, `yes`, `on` and `0`, `false`, `no`, `off`. An empty variable counts as
not set. A variable that begins with `BASCULE_` and is no setting is refused, with the name that it
resembles.

The variables of `--env-file` are given to the application as well. Those already in the
environment are stronger.

Hosting platforms set `PORT` to the port where they will connect, and they connect from outside the
container. So when only `PORT` says where to listen, Bascule listens on all interfaces
(`0.0.0.0`), as Gunicorn does; on 127.0.0.1 the platform would never reach it. Any `host` that you
give is kept, any address that you give in the environment or on the command line is stronger than
`PORT`, and `bascule dev` stays on 127.0.0.1.

## Where to listen

`bind`, `uds`, `fd`, and `host` with `port` are four ways to say one thing. The strongest place
that says it replaces what weaker places say in any of the four ways; two ways in one place are
refused."""


def settings_page() -> str:
    """Return the page as Markdown."""
    parts = [INTRODUCTION]
    for section, options in groupby(OPTIONS.values(), key=lambda option: option.section):
        parts.append(f"## {section}")
        parts += ["\n".join(entry(option)) for option in options]
    return "\n\n".join(parts) + "\n"


def entry(option: Option[Any]) -> Iterator[str]:
    """Yield the lines about one setting."""
    yield f"### {option.name}"
    yield ""
    yield from wrapped(option.help)
    yield ""
    flags = " or ".join(f"`{flag}`" for flag in command_line(option))
    yield from wrapped(f"- Command line: {flags}", "  ")
    yield f"- Environment: {' or '.join(f'`{it}`' for it in option.variables)}{separated(option)}"
    if option.in_file:
        yield f"- File: `{option.name}`, {written(option)}"
    yield from wrapped(f"- Default: {default(option)}", "  ")
    if option.reason:
        yield from wrapped(f"- Why: {option.reason}", "  ")


def wrapped(text: str, indent: str = "") -> list[str]:
    """Return a paragraph as lines."""
    return wrap(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def command_line(option: Option[Any]) -> list[str]:
    """Return the ways to write an option on the command line."""
    if option.name == "target":
        return ["TARGET"]
    if isinstance(option.kind, Flag):
        return [option.flag, option.flag.replace("--", "--no-", 1)]
    metavar = option.kind.metavar
    return [f"{flag} {metavar}" for flag in (option.short, option.flag) if flag]


def separated(option: Option[Any]) -> str:
    """Say how one variable holds several values."""
    if not isinstance(option.kind, Listing):
        return ""
    return ", several one in a line" if option.kind.separator == "\n" else ", several with commas"


def written(option: Option[Any]) -> str:
    """Say how TOML writes the value."""
    kind = option.kind.kind if isinstance(option.kind, Maybe) else option.kind
    words = {
        Flag: "true or false",
        Listing: "a list of texts",
        Words: "a list of texts",
        AsgiExtensions: "a list of texts",
        Whole: "a number",
        Seconds: "a number",
    }
    return words.get(type(kind), "a text")


def default(option: Option[Any]) -> str:
    """Return the default as the page shows it."""
    shown = option.kind.show(option.default)
    return f"`{shown}`" if shown else "empty"


if __name__ == "__main__":
    print(settings_page(), end="")
