"""Checks of BASCULE and INSTALLED_APPS, and the settings of Bascule for the other checks."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import Error, Warning

from bascule.django.checks.messages import Messages, cautious, enumeration, message

if TYPE_CHECKING:
    from bascule.django.routing.routes import Reach, URLRoute

# Those whose runserver would be taken instead of ours.
HAVE_RUNSERVER = ("daphne", "django.contrib.staticfiles")


def raw(name: str) -> object:
    """Return the value of a setting in the environment or in BASCULE, unparsed; or None."""
    from bascule.settings import OPTIONS

    for variable in OPTIONS[name].variables:
        if variable in os.environ:
            return os.environ[variable]
    said = getattr(settings, "BASCULE", {})
    if not isinstance(said, Mapping):
        return None
    return next((value for key, value in said.items() if str(key).lower() == name), None)


def value_of(name: str) -> Any:
    """A setting of Bascule, parsed; its default where nothing valid is said, None where there is
    no such setting."""
    from bascule.settings import OPTIONS

    option = OPTIONS.get(name)
    if option is None:
        return None
    said = raw(name)
    try:
        return option.default if said is None else option.kind.parse(said)
    except ValueError:
        return option.default


@cautious
def check_bascule_setting() -> Messages:
    """E001: everything `bascule serve` would refuse of BASCULE."""
    from bascule.django.loading.configuration import KEY, layer_of
    from bascule.settings.merge import parse_layer

    said = getattr(settings, KEY, None)
    if said is None:
        return
    findings: list[str] = []
    parse_layer(layer_of(said, settings.SETTINGS_MODULE or "settings", findings), findings, set())
    for text in findings:
        sentence = text if text.endswith("?") else f"{text}."
        hint = "`bascule serve` refuses to start until it is mended."
        yield message(Error, "E001", sentence, hint)


@cautious
def check_order() -> Messages:
    """W001: another application's runserver is found first."""
    from django.apps import apps

    names = [config.name for config in apps.get_app_configs()]
    before = [name for name in HAVE_RUNSERVER if name in names[: names.index("bascule.django")]]
    if before:
        yield message(
            Warning,
            "W001",
            f"'bascule.django' stands behind {enumeration(map(repr, before))} in INSTALLED_APPS, "
            "so `manage.py runserver` is not Bascule's.",
            "Django takes the command of the first application that has it: put 'bascule.django' "
            "first.",
        )


@cautious
def check_rules() -> Messages:
    """W007: paths of DJANGO_INTERFACE that no route begins with."""
    from django.urls import get_resolver

    from bascule.django.loading.configuration import RULES, rules_of
    from bascule.django.routing.routes import Reach, Reader
    from bascule.errors import UsageError

    try:
        rules = rules_of(settings)
    except UsageError:
        return  # E001
    # An expression may fit in any way.
    paths = [path for rule, _ in rules if (path := literal(rule.pattern))]
    if not paths:
        return
    languages = list(dict.fromkeys([settings.LANGUAGE_CODE, *dict(settings.LANGUAGES)]))
    reaches = list(reached(Reader().read([get_resolver()], languages), "", True))
    for path in paths:
        if not any(Reach(path).meets(reach) for reach in reaches):
            yield message(
                Warning,
                "W007",
                f"BASCULE: {RULES} has {path!r}, where {settings.ROOT_URLCONF} has no route.",
                "Paths are those that the URLconf sees, below --root-path and a mount; mend or "
                "remove it.",
            )


def literal(pattern: str) -> str:
    """The path that a rule was written as; "" for an expression."""
    return "" if pattern.startswith("^") else re.sub(r"\\(.)", r"\1", pattern)


def reached(routes: "Iterable[URLRoute]", before: str, is_literal: bool) -> "Iterator[Reach]":
    """Where the views of these routes may be. before: what every path that comes to them begins
    with, and `is_literal` that it has nothing more there."""
    from bascule.django.routing.routes import Reach

    for route in routes:
        segment = route.segment
        text = before + segment.literal if is_literal else before
        if route.below is None:
            yield Reach(text, is_literal and segment.whole)
        else:
            yield from reached(route.below, text, is_literal and not segment.rest)
