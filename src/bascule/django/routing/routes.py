"""From the path of a request to the side of its view, before anything of Django runs.

The URLconf is written as one regular expression, whose last group tells which kind of view it has
come to. Only async views matter: of the sync ones those are left in that might take a path away
from an async one behind them, and the expression of a project without async views is empty. Other
patterns are left to Django's resolver, for those paths that come to it.

Nothing is remembered of a path. Both sides can run every view, so that a wrong guess costs time
and nothing else: a urlconf that a middleware puts on the request is not known here.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.urls import Resolver404, get_resolver
from django.urls.resolvers import LocalePrefixPattern, URLPattern, URLResolver
from django.utils.translation import get_language_from_path, override

from bascule.django.loading.configuration import InterfaceRule, rules_of
from bascule.django.routing.patterns import Segment, is_certain, segment_of
from bascule.django.routing.views import is_for_loop

logger = logging.getLogger("bascule.django")

# The verdict about a route. ASK: only Django can tell.
THREAD, LOOP, ASK = "thread", "loop", "ask"
ANYTHING = Segment("")
# A URLconf translated into many languages has each of its routes in each of them.
MOST_ROUTES = 10_000
SETTINGS_THAT_MATTER = frozenset({"BASCULE", "LANGUAGES", "LANGUAGE_CODE", "USE_I18N"})


class TooManyRoutes(Exception):
    """The URLconf is larger than is sensible to write as one expression."""


@dataclass(frozen=True, slots=True)
class URLRoute:
    """One view (`below` is None), or one include with what is below it. only_threads: no view
    here is for the loop, whether or not it takes the path."""

    segment: Segment
    verdict: str = ASK
    only_threads: bool = False
    below: "list[URLRoute] | None" = None


@dataclass(frozen=True, slots=True)
class Reach:
    """The paths that a route can take: those that begin with `text`; that one alone if `whole`."""

    text: str
    whole: bool = False

    def meets(self, other: "Reach") -> bool:
        """Whether there may be a path that both take."""
        if self.whole:
            return self.text == other.text if other.whole else self.text.startswith(other.text)
        if other.whole or len(other.text) > len(self.text):
            return other.text.startswith(self.text)
        return self.text.startswith(other.text)


class Router:
    """Says for each path whether its view is called on the loop.

    rules: what the operator has said, stronger than what views say.
    """

    def __init__(self) -> None:
        """Read the URLconf. Raises what importing it raises, and UsageError."""
        self.rules: list[InterfaceRule] = rules_of(settings)
        self.table = RouteTable.of(get_resolver())
        # Only tests change settings; they are to meet what they have set.
        setting_changed.connect(self.forget)

    def belongs_to_loop(self, path: str) -> bool:
        """Whether the request for a path, below the script name, is for the ASGI side."""
        try:
            table = self.table
            # Another one after clear_url_caches() and where a test overrides ROOT_URLCONF.
            if table.resolver is not get_resolver():
                table = self.renew()
            for rule, is_for_asgi in self.rules:
                if rule.match(path):
                    return is_for_asgi
            if table.match is None:
                return False
            found = table.match(path)
            if found is None:
                return False
            verdict = table.verdicts[found.lastindex or 0]
            return verdict == LOOP or (verdict == ASK and table.ask(path))
        except Exception:
            # Django will come to the same, and answer for it.
            logger.debug("cannot tell the side of %r", path, exc_info=True)
            return False

    def renew(self) -> "RouteTable":
        self.rules = rules_of(settings)
        resolver = get_resolver()
        # Where this raises, everything is left to the WSGI side until the URLconf is another.
        self.table = RouteTable(resolver)
        self.table = RouteTable.of(resolver)
        return self.table

    def forget(self, *, setting: str, **more: object) -> None:
        """A test has changed a setting."""
        if setting in SETTINGS_THAT_MATTER:
            self.table = RouteTable(None)


class RouteTable:
    """A URLconf as one expression. match: None where no view is for the loop. verdicts: what its
    groups mean."""

    __slots__ = ("match", "resolver", "verdicts")

    def __init__(self, resolver: Any, source: str = "", verdicts: Sequence[str] = ()) -> None:
        self.resolver = resolver
        self.match = re.compile(source).match if source else None
        self.verdicts = (THREAD, *verdicts)

    @classmethod
    def of(cls, resolver: Any) -> "RouteTable":
        """Read a URLconf."""
        languages = list(dict.fromkeys([settings.LANGUAGE_CODE, *dict(settings.LANGUAGES)]))
        try:
            routes = list(Reader().read([resolver], languages))
        except TooManyRoutes:
            routes = [URLRoute(ANYTHING)]
        writer = TableWriter()
        return cls(resolver, writer.written(needed(routes, "", True, [])), writer.verdicts)

    def ask(self, path: str) -> bool:
        """Ask Django's resolver, in the language that the path begins with."""
        language = get_language_from_path(path) or settings.LANGUAGE_CODE
        with override(language, deactivate=True):
            try:
                return is_for_loop(self.resolver.resolve(path).func)
            except Resolver404:
                return False


class Reader:
    """Reads the patterns of a URLconf."""

    def __init__(self) -> None:
        self.count = 0

    def read(self, entries: Iterable[Any], languages: Sequence[str]) -> Iterator[URLRoute]:
        """The routes of these entries, where one of `languages` is active."""
        for entry in entries:
            self.count += 1
            if self.count > MOST_ROUTES:
                raise TooManyRoutes
            if type(entry) is URLPattern:
                for segment, _ in segments(entry.pattern, languages):
                    yield view_route(entry, segment)
            elif type(entry) is URLResolver:
                for segment, spoken in include_segments(entry, languages):
                    yield include_route(
                        entry, segment, list(self.read(entry.url_patterns, spoken))
                    )
            else:
                # Something of the project's own: what it takes is not known.
                yield URLRoute(ANYTHING)


def view_route(entry: Any, segment: Segment | None) -> URLRoute:
    is_async = is_for_loop(entry.callback)
    if segment is None or not is_certain(entry.pattern):
        return URLRoute(segment or ANYTHING, ASK, only_threads=not is_async)
    return URLRoute(segment, LOOP if is_async else THREAD, only_threads=not is_async)


def include_route(entry: Any, segment: Segment | None, below: list[URLRoute]) -> URLRoute:
    only_threads = all(route.only_threads for route in below)
    if segment is None or not is_certain(entry.pattern):
        return URLRoute(segment or ANYTHING, ASK, only_threads)
    return URLRoute(segment, ASK, only_threads, below)


Segments = Iterable[tuple[Segment | None, Sequence[str]]]


def segments(pattern: Any, languages: Sequence[str]) -> Segments:
    """A pattern, in each of the languages where they make a difference."""
    if not is_translated(pattern):
        return [(segment_of(pattern), languages)]
    found: dict[Segment | None, list[str]] = {}
    for language in languages:
        if type(pattern) is LocalePrefixPattern:
            # Not asked of the pattern, which would have the language's catalogues loaded.
            is_bare = language == settings.LANGUAGE_CODE and not pattern.prefix_default_language
            segment: Segment | None = Segment("" if is_bare else f"{language}/")
        else:
            with override(language, deactivate=True):
                segment = segment_of(pattern)
        found.setdefault(segment, []).append(language)
    # A path without a prefix is the default language's when it is no other's.
    return sorted(found.items(), key=lambda item: item[0] == ANYTHING)


def include_segments(entry: Any, languages: Sequence[str]) -> Segments:
    """The same for an include; language prefixes as one where what is below is the same for
    all."""
    found = list(segments(entry.pattern, languages))
    if type(entry.pattern) is not LocalePrefixPattern or any(
        map(has_languages, entry.url_patterns)
    ):
        return found
    prefixes = [segment.literal for segment, _ in found if segment is not None and segment.literal]
    joined: list[tuple[Segment | None, Sequence[str]]] = []
    if prefixes:
        joined.append((Segment("", f"(?:{'|'.join(map(re.escape, prefixes))})"), languages))
    if len(prefixes) < len(found):
        joined.append((ANYTHING, languages))
    return joined


def is_translated(pattern: Any) -> bool:
    """Whether it depends on the language that is active."""
    text = getattr(pattern, "_route", getattr(pattern, "_regex", ""))
    return type(pattern) is LocalePrefixPattern or not isinstance(text, str)


def has_languages(entry: Any) -> bool:
    """Whether anything of an entry depends on the language."""
    return is_translated(entry.pattern) or any(
        map(has_languages, getattr(entry, "url_patterns", ()))
    )


def needed(
    routes: Sequence[URLRoute], before: str, is_literal: bool, later: list[Reach]
) -> list[URLRoute]:
    """Those of the routes that can change an answer.

    before: what every path that comes to them begins with, and `is_literal` that it has nothing
    more there. later: where the routes behind these may lead to the loop; these add to it.
    """
    kept: list[URLRoute] = []
    for route in reversed(routes):
        segment = route.segment
        text = before + segment.literal if is_literal else before
        if route.below is not None:
            below = needed(route.below, text, is_literal and not segment.rest, later)
            if below:
                kept.append(replace(route, below=below))
            continue
        reach = Reach(text, is_literal and segment.whole)
        if not route.only_threads:
            later.append(reach)
            kept.append(route)
        elif any(map(reach.meets, later)):
            kept.append(route)
    return kept[::-1]


class TableWriter:
    """Writes routes as one expression. verdicts: what its groups mean, in their order."""

    def __init__(self) -> None:
        self.verdicts: list[str] = []

    def written(self, routes: Sequence[URLRoute]) -> str:
        parts: list[str] = []
        for verdict, run in groupby(
            routes, key=lambda route: route.below is None and route.verdict
        ):
            if not verdict:
                parts += map(self.include, run)
                continue
            # One group for all: a match costs time for each group that there is.
            self.verdicts.append(str(verdict))
            parts.append(f"(?:{'|'.join(route.segment.source for route in run)})()")
        return "|".join(parts)

    def include(self, route: URLRoute) -> str:
        """Its own part once and for all, as Django takes it: hence the atomic group."""
        rest = f"(?>{route.segment.rest})" if route.segment.rest else ""
        return f"{re.escape(route.segment.literal)}{rest}(?:{self.written(route.below or ())})"
