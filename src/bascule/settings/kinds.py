"""The kinds of settings: how a value is written, and the value that it becomes.

A kind reads a value from wherever it came: text from the command line or the environment, or the
values TOML and Python callers have already. `parse` raises ValueError with the end of a sentence
that begins with the value ("is not a whole number; give 0 or more"); the report adds the place and
the name in front.

Text is taken everywhere, so that `threads = "8"` in a file means what it says: one rule for every
source.
"""

import math
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar, get_args

T_co = TypeVar("T_co", covariant=True)
W_co = TypeVar("W_co", bound=str, covariant=True)
NONE = "none"
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


class Kind(ABC, Generic[T_co]):
    """The base of all kinds.

    metavar: stands for the value in help texts.
    annotation: the type of the value as Python callers write it; see `annotations`.
    """

    metavar = "TEXT"
    annotation = "str"

    @abstractmethod
    def parse(self, value: object) -> T_co:
        """Return the value as Python wants it. Raises ValueError with the end of a sentence."""

    def plain(self, value: Any) -> Any:
        """Return a parsed value as JSON and TOML can write it; `parse` reads it back."""
        return value

    def show(self, value: Any) -> str:
        """Return a parsed value as people read it on one line."""
        return _shown(self.plain(value))


def _shown(plain: object) -> str:
    if plain is None:
        return NONE
    if isinstance(plain, bool):
        return "on" if plain else "off"
    if isinstance(plain, list):
        return ", ".join(map(_shown, plain))
    if isinstance(plain, float):
        return f"{plain:g}"
    return str(plain)


class Text(Kind[str]):
    """Any text."""

    def __init__(self, metavar: str = "TEXT") -> None:
        self.metavar = metavar

    def parse(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("is not text; put it in quotes")
        return value


class Path(Text):
    """A path in the file system, relative to the current directory; `~` is left to the shell."""

    annotation = "str | PathLike[str]"

    def __init__(self, metavar: str = "PATH") -> None:
        super().__init__(metavar)

    def parse(self, value: object) -> str:
        path = super().parse(os.fspath(value) if isinstance(value, os.PathLike) else value)
        if not path:
            raise ValueError("is empty; give a path")
        if "\0" in path:
            raise ValueError("has a NUL character, which no path can have")
        return path


class Account(Text):
    """A user or a group: a name or a number."""

    annotation = "str | int"

    def parse(self, value: object) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        account = super().parse(value)
        if not account:
            raise ValueError("is empty; give a name or a number")
        return account


class FunctionName(Text):
    """A function, as module:function; either part may be dotted."""

    def __init__(self) -> None:
        super().__init__("MODULE:FUNCTION")

    def parse(self, value: object) -> str:
        name = super().parse(value)
        module, _, function = name.partition(":")
        if not all(piece.isidentifier() for piece in [*module.split("."), *function.split(".")]):
            raise ValueError("is not module:function; give a name such as mysite.hooks:started")
        return name


class Mask(Kind[int]):
    """A mask of file permissions. Text is octal, as the shell's umask has it."""

    metavar = "OCTAL"
    annotation = "int | str"

    def parse(self, value: object) -> int:
        number = value
        if isinstance(value, str):
            try:
                number = int(value, 8)
            except ValueError:
                pass
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 0o777:
            raise ValueError("is not a mask; give an octal number from 0 to 0777")
        return number

    def plain(self, value: Any) -> Any:
        return f"{value:04o}"


class Whole(Kind[int]):
    """A whole number from `minimum` to `maximum`, both included."""

    annotation = "int"

    def __init__(self, minimum: int = 0, maximum: int | None = None, metavar: str = "N") -> None:
        self.minimum = minimum
        self.maximum = maximum
        self.metavar = metavar

    def parse(self, value: object) -> int:
        number = value
        if isinstance(value, str):
            try:
                number = int(value)
            except ValueError:
                pass
        if isinstance(number, bool) or not isinstance(number, int):
            raise ValueError(f"is not a whole number; give {self._range()}")
        if number < self.minimum or (self.maximum is not None and number > self.maximum):
            raise ValueError(f"is out of range; give {self._range()}")
        return number

    def _range(self) -> str:
        if self.maximum is None:
            return f"{self.minimum} or more"
        return f"{self.minimum} to {self.maximum}"


class Size(Kind[int]):
    """A number of bytes, also with a unit: 16M and 16MiB are 16 * 1024 * 1024 bytes."""

    metavar = "BYTES"
    annotation = "int | str"
    UNITS: ClassVar[dict[str, int]] = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
    WRITTEN: ClassVar[re.Pattern[str]] = re.compile(r"([0-9]+) ?([kmg]?)(?:i?b)?", re.IGNORECASE)

    def parse(self, value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        match = self.WRITTEN.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError("is not a size; give a number of bytes, or one such as 512K or 16M")
        return int(match[1]) * self.UNITS[match[2].lower()]

    def show(self, value: Any) -> str:
        for unit, size in (("G", 1024**3), ("M", 1024**2), ("K", 1024)):
            if value and value % size == 0:
                return f"{value // size}{unit}"
        return str(value)


class Count(Whole):
    """A whole number from 1 on, or the word auto, which is 0 here."""

    AUTO = "auto"
    annotation = f'int | Literal["{AUTO}"]'

    def __init__(self, maximum: int | None = None) -> None:
        super().__init__(1, maximum, metavar=f"N|{self.AUTO}")

    def parse(self, value: object) -> int:
        return 0 if value == self.AUTO else super().parse(value)

    def plain(self, value: Any) -> Any:
        return value or self.AUTO

    def _range(self) -> str:
        return f"{super()._range()}, or {self.AUTO}"


class Seconds(Kind[float]):
    """A finite number of seconds, fractions allowed, not below `minimum`."""

    metavar = "SECONDS"
    annotation = "float"

    def __init__(self, minimum: float = 0.0) -> None:
        self.minimum = minimum

    def parse(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"is not a number of seconds; give {self.minimum:g} or more")
        try:
            seconds = float(value)
        except ValueError:
            raise ValueError(
                f"is not a number of seconds; give {self.minimum:g} or more"
            ) from None
        except OverflowError:
            seconds = math.inf
        if not math.isfinite(seconds) or seconds < self.minimum:
            raise ValueError(f"is out of range; give {self.minimum:g} seconds or more")
        return seconds


class Flag(Kind[bool]):
    """On or off."""

    metavar = "on|off"
    annotation = "bool"

    def parse(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
        raise ValueError("is neither on nor off; give true or false, yes or no, on or off, 1 or 0")


class Choice(Kind[W_co]):
    """One of the words of a Literal type. `synonyms` maps words of other servers to ours."""

    def __init__(self, literal: Any, synonyms: dict[str, str] | None = None) -> None:
        self.words: tuple[W_co, ...] = get_args(literal)
        self.synonyms = synonyms or {}
        self.metavar = "|".join(self.words)
        words = (*self.words, *self.synonyms)
        quoted = ", ".join(f'"{word}"' for word in words)
        self.annotation = f"Literal[{quoted}]"

    def parse(self, value: object) -> W_co:
        said = str(value).strip().lower()
        said = self.synonyms.get(said, said)
        for word in self.words:
            if word == said:
                return word
        raise ValueError(f"is not one of the choices; give {' or '.join(self.words)}")


class Maybe(Kind[T_co | None]):
    """Another kind, or nothing at all, written as the word `nothing`."""

    def __init__(self, kind: Kind[T_co], nothing: str = NONE) -> None:
        self.kind = kind
        self.nothing = nothing
        self.metavar = kind.metavar
        self.annotation = f"{kind.annotation} | None"

    def parse(self, value: object) -> T_co | None:
        if value is None or value == self.nothing:
            return None
        try:
            return self.kind.parse(value)
        except ValueError as error:
            hint = f", or {self.nothing}" if self.nothing and ";" in str(error) else ""
            raise ValueError(f"{error}{hint}") from None

    def plain(self, value: Any) -> Any:
        return None if value is None else self.kind.plain(value)


class Listing(Kind[tuple[T_co, ...]]):
    """Any number of values of one kind; one text holds several with `separator` between them."""

    def __init__(self, kind: Kind[T_co], separator: str) -> None:
        self.kind = kind
        self.separator = separator
        self.metavar = kind.metavar
        self.annotation = f"str | Sequence[{kind.annotation}]"

    def parse(self, value: object) -> tuple[T_co, ...]:
        return tuple(self._parse_item(item) for item in self._items(value))

    def _items(self, value: object) -> Sequence[object]:
        if isinstance(value, str):
            return [
                item for item in (part.strip() for part in value.split(self.separator)) if item
            ]
        if isinstance(value, list | tuple):
            return value
        raise ValueError("is not a list")

    def _parse_item(self, item: object) -> T_co:
        try:
            return self.kind.parse(item)
        except ValueError as error:
            raise ValueError(f"has {item!r}, which {error}") from None

    def plain(self, value: Any) -> Any:
        return [self.kind.plain(item) for item in value]


class Words(Listing[T_co]):
    """A listing of values that never have the separator in them: so each of several texts may
    hold several, too (`--forwarded-allow-ips 10.0.0.1,10.0.0.2`)."""

    def _items(self, value: object) -> Sequence[object]:
        words: list[object] = []
        for item in super()._items(value):
            words += super()._items(item) if isinstance(item, str) else [item]
        return words
