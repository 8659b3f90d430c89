"""One pattern of a URLconf as a part of one large regular expression.

Django asks pattern after pattern, each about what the ones before it have left of the path. Here
all of a URLconf becomes one expression, so each pattern is written as it has to stand there: with
its anchors taken off, its groups not captured. A pattern that cannot be moved like that (a
backreference, a look behind, flags) is None, and Django is asked instead.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.urls import converters
from django.urls.resolvers import RegexPattern, RoutePattern

TOKENS = re.compile(
    r"""
      (?P<escape> \\. )
    | (?P<set> \[ \^? \]? (?: \\. | [^\]\\] )* \] )
    | (?P<named> \( \? P < \w+ > )
    | (?P<group> \( (?! \? ) )
    | (?P<kept> \( \? [:=!>] )
    | (?P<close> \) )
    | (?P<quantifier> [*+?{] )
    | (?P<other> [.^$|] )
    | (?P<letter> [^\\()\[*+?{.^$|] )
    """,
    re.VERBOSE | re.DOTALL,
)
# `re.search` of a pattern without ^, where it stands behind others.
ANYWHERE = "(?s:.*?)"

# Those whose to_python takes all that their expression matches.
PLAIN_CONVERTERS = frozenset(
    {
        converters.IntConverter,
        converters.PathConverter,
        converters.SlugConverter,
        converters.StringConverter,
        converters.UUIDConverter,
    }
)


@dataclass(frozen=True, slots=True)
class Segment:
    """literal: what all that it matches begins with. rest: the expression behind that. whole: it
    matches to the end of the path, and nothing but `literal`.
    """

    literal: str
    rest: str = ""
    whole: bool = False

    @property
    def source(self) -> str:
        return re.escape(self.literal) + self.rest


def segment_of(pattern: Any) -> Segment | None:
    """A path() or re_path() in the language that is active."""
    if type(pattern) not in (RegexPattern, RoutePattern):
        return None
    regex = pattern.regex
    if regex.flags & ~re.UNICODE:
        return None
    text: str = regex.pattern
    # RegexPattern.match takes fullmatch there.
    full = type(pattern) is RegexPattern and pattern._is_endpoint and text.endswith("$")
    return translated(text, full)


def is_certain(pattern: Any) -> bool:
    """Whether what the expression matches is a match; a converter may refuse it afterwards."""
    return all(type(one) in PLAIN_CONVERTERS for one in pattern.converters.values())


def translated(text: str, full: bool) -> Segment | None:
    """An expression for `re.search`, or with `full` for `re.fullmatch`, as a segment."""
    body = re.sub(r"\A(?:\^|\\A)", "", text)
    is_anchored = full or body != text
    writer = PatternWriter(full)
    position = 0
    while position < len(body):
        token = TOKENS.match(body, position)
        if token is None or not writer.take(str(token.lastgroup), token[0]):
            return None
        position = token.end()
    if writer.depth or (writer.has_choice and not full and (is_anchored or writer.end)):
        return None
    return writer.segment(is_anchored)


class PatternWriter:
    """Takes the tokens of an expression and writes it anew."""

    def __init__(self, full: bool) -> None:
        self.full = full
        self.literal: list[str] = []
        self.rest: list[str] = []
        self.depth = 0
        self.has_choice = False
        self.end = ""

    def take(self, kind: str, text: str) -> bool:
        """Take a token; False where the expression cannot be moved."""
        if self.end:
            return False
        if kind in ("letter", "escape"):
            return self.take_character(text)
        if kind == "other":
            return self.take_special(text)
        if kind == "quantifier" and not self.rest and self.literal:
            # It is about the last character.
            self.rest.append(re.escape(self.literal.pop()))
        self.depth += {"named": 1, "group": 1, "kept": 1, "close": -1}.get(kind, 0)
        self.rest.append("(?:" if kind in ("named", "group") else text)
        return self.depth >= 0

    def take_character(self, text: str) -> bool:
        character = text[-1]
        if len(text) == 2 and character.isalnum():
            if character in "Zz" and not self.depth:
                self.end = r"\Z"
                return True
            # \d, \w, \s and the like; not \1, \b, \A, whose meaning hangs on the place.
            if character.isdigit() or character in "AbBZz":
                return False
            self.rest.append(text)
        elif self.rest:
            self.rest.append(text)
        else:
            self.literal.append(character)
        return True

    def take_special(self, text: str) -> bool:
        if text == "^" or (text == "$" and self.depth):
            return False
        if text == "$":
            self.end = r"\Z" if self.full else "$"
            return True
        if text == "|" and not self.depth:
            self.has_choice = True
        self.rest.append(text)
        return True

    def segment(self, is_anchored: bool) -> Segment:
        end = r"\Z" if self.full else self.end
        literal, rest = "".join(self.literal), "".join(self.rest)
        if self.has_choice:
            literal, rest = "", f"(?:{re.escape(literal)}{rest})"
        if not is_anchored:
            return Segment("", ANYWHERE + re.escape(literal) + rest + end)
        return Segment(literal, rest + end, whole=not rest and end == r"\Z")
