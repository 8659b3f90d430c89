"""Where a value came from, and how a complaint about it reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Rank(IntEnum):
    """Which source wins: the higher one."""

    DEFAULT = 0
    PRESET = 1
    PROJECT = 2  # what a framework's project says of itself
    FILE = 3
    ENV_FILE = 4
    ENVIRONMENT = 5
    SAID = 6  # on the command line, or as an argument


@dataclass(frozen=True, slots=True)
class Source:
    """One place a value was written at.

    place: "command line", "environment", "bascule.toml line 7". key: the name as it is spelled
    there. alias: the key is a variable such as PORT, which a platform sets unasked; it yields to
    what was said on purpose.
    """

    rank: Rank
    place: str
    key: str = ""
    alias: bool = False

    @property
    def strength(self) -> tuple[Rank, bool]:
        """The order in which sources win."""
        return self.rank, not self.alias

    def __str__(self) -> str:
        """The provenance as `bascule config` shows it."""
        return f"{self.place} {self.key}" if self.rank is Rank.ENVIRONMENT else self.place


@dataclass(frozen=True, slots=True)
class Given:
    """A value and where it was given; first as it was written, later parsed."""

    value: object
    source: Source


DEFAULT = Source(Rank.DEFAULT, "default")
Layer = dict[str, Given]


def finding(source: Source, text: str) -> str:
    """One line: where, which key, what is wrong."""
    return f"{source.place}: {source.key} {text}"


def listed(findings: Sequence[str]) -> str:
    """Return findings as people read them: one as it is, several in a list."""
    if len(findings) == 1:
        return findings[0]
    return "\n  ".join([f"{len(findings)} settings are wrong:", *findings])


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return "; did you mean X?" for the nearest known name, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {prefix}{near[0]}?" if near else ""
