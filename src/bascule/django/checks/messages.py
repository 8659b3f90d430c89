"""The form of a check: when it runs, how it fails, and the words of its messages."""

import functools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from django.core.checks import CheckMessage

logger = logging.getLogger("bascule.django")

PAGE = "docs/reference/checks.md"
# How many views are named before "and 7 more".
MOST_NAMES = 3
# The commands that show what serving costs.
SHOW_COST = frozenset({"check", "runserver", "serve", "testserver"})

Messages = Iterator[CheckMessage]
SystemCheck = Callable[..., list[CheckMessage]]


def cautious(check: Callable[[], Messages]) -> SystemCheck:
    """Make a check of a generator of messages. Django reports the faults that make it fail."""

    def run(**kwargs: object) -> list[CheckMessage]:
        try:
            return list(check())
        except Exception:
            logger.debug("%s could not examine this project", check.__name__, exc_info=True)
            return []

    # Not functools.wraps: Django would look through it, and miss **kwargs.
    run.__name__, run.__doc__ = check.__name__, check.__doc__
    return run


def when_served(check: Callable[[], Messages]) -> Callable[[], Messages]:
    """Leave out, in commands that neither serve nor were asked for checks, what only tells what
    serving costs. Every nightly job would print it."""

    @functools.wraps(check)
    def run() -> Messages:
        if not is_of_another_command():
            yield from check()

    return run


def is_of_another_command() -> bool:
    """Whether a command of Django's runs that does not show the cost of serving. A check is not
    told which one runs it; this is where Django's ManagementUtility has its name from."""
    from django.core.management import get_commands

    name = sys.argv[1] if len(sys.argv) > 1 else ""
    return name not in SHOW_COST and name in get_commands()


def message(kind: type[CheckMessage], identifier: str, text: str, hint: str) -> CheckMessage:
    """A message with the place where more is said."""
    return kind(text, f"{hint} See {PAGE}.", id=f"bascule.{identifier}")


def enumeration(names: Iterable[str]) -> str:
    return ", ".join(names)


def some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    every: Sequence[str] = list(names)
    more = len(every) - MOST_NAMES
    shown = enumeration(every[:MOST_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown


def times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
