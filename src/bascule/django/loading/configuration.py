"""The settings of Bascule in a project's settings module.

    BASCULE = {
        "THREADS": 16,
        "LIMIT_REQUEST_BODY": 20_000_000,
        "DJANGO_INTERFACE": {"/reports/": "wsgi", r"^/v[0-9]+/events": "asgi"},
    }

Keys are the names of Bascule's settings, in capitals or small. DJANGO_INTERFACE is the one that
only a Django project has.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from bascule.django.loading.locate import VARIABLE, Project, find_project
from bascule.errors import StartupError, TargetError, UsageError
from bascule.loading.locate import module_missing
from bascule.loading.traces import startup_message
from bascule.settings import OPTIONS
from bascule.settings.findings import Given, Layer, Rank, Source, did_you_mean, finding
from bascule.settings.load import ProjectSettings

KEY = "BASCULE"
RULES = "DJANGO_INTERFACE"
SIDES = {"asgi": True, "wsgi": False}
# Settings that lead to the settings module, and settings for other kinds of TARGET.
NOT_HERE = frozenset({"target", "app_dir", "config", "env_file", "factory", "interface"})
POSSIBLE = [*(name.upper() for name in OPTIONS if name not in NOT_HERE), RULES]

# The beginning of paths, and whether their views are called by ASGI.
InterfaceRule = tuple[re.Pattern[str], bool]


def described(target: str, app_dir: str, environ: Mapping[str, str]) -> ProjectSettings | None:
    """Return the settings of a project; None if TARGET is not a project.

    Loads the project's settings module, and nothing more of it. Raises UsageError or StartupError.
    """
    project = find_project(target, app_dir, environ)
    if project is None:
        return None
    for name, value in environ.items():
        # Those of an env-file are for the settings module, too.
        os.environ.setdefault(name, value)
    said = getattr(load_settings_module(project), KEY, {})
    findings: list[str] = []
    layer = layer_of(said, project.settings_module, findings)
    return ProjectSettings(
        project.name, Source(Rank.PROJECT, project.source, VARIABLE), layer, findings
    )


def load_settings_module(project: Project) -> Any:
    """Django's settings, loaded. Raises UsageError (TargetError) or StartupError."""
    os.environ[VARIABLE] = project.settings_module
    if sys.path[:1] != [project.directory]:
        sys.path.insert(0, project.directory)
    try:
        from django.conf import settings
    except ModuleNotFoundError:
        raise UsageError(
            f"{project.name} is a Django project, and Django is not installed for {sys.executable}"
        ) from None
    try:
        # Not hasattr, which would take an AttributeError of the settings module's own for "no".
        has_urls = settings.is_overridden("ROOT_URLCONF")
    except (Exception, SystemExit) as error:
        raise why_not_loaded(project, error) from None
    if not has_urls:
        raise UsageError(
            f"{project.settings_module} has no ROOT_URLCONF ({VARIABLE}: {project.source})"
        )
    return settings


def why_not_loaded(project: Project, error: BaseException) -> UsageError | StartupError:
    """The operator's fault where there is no such module, else its author's."""
    module = project.settings_module
    if (
        isinstance(error, ModuleNotFoundError)
        and error.name is not None
        and f"{module}.".startswith(f"{error.name}.")
    ):
        missing = module_missing(error.name, module.removeprefix(error.name), project.directory)
        return TargetError(f"{VARIABLE} is {module!r} ({project.source}): {missing}")
    return StartupError(startup_message(module, error))


def layer_of(said: object, module: str, findings: list[str]) -> Layer:
    """The settings of ours among them, unparsed."""
    if not isinstance(said, Mapping):
        findings.append(f"{module}: {KEY} is not a dict of settings")
        return {}
    layer: Layer = {}
    for key, value in said.items():
        source = Source(Rank.PROJECT, f"{module} {KEY}", str(key))
        name = str(key).lower()
        if name.upper() == RULES:
            findings += [finding(source, text) for text in wrong_rules(value)]
        elif name in layer:
            findings.append(finding(source, "is given twice; keep one"))
        elif name not in OPTIONS:
            hint = did_you_mean(name.upper(), POSSIBLE)
            findings.append(finding(source, f"is not a setting{hint}"))
        elif name in NOT_HERE:
            variable = OPTIONS[name].variable
            text = f"cannot be set in Django's settings; {variable} can be set in the environment"
            findings.append(finding(source, text))
        else:
            layer[name] = Given(value, source)
    return layer


def rules_of(settings: Any) -> list[InterfaceRule]:
    """DJANGO_INTERFACE of Django's settings. Raises UsageError."""
    said = getattr(settings, KEY, {})
    value: Any = next((said[key] for key in said if str(key).upper() == RULES), {})
    wrong = list(wrong_rules(value))
    if wrong:
        raise UsageError(f"{settings.SETTINGS_MODULE} {KEY}: {RULES} {wrong[0]}")
    return [
        (re.compile(path if path.startswith("^") else re.escape(path)), SIDES[side])
        for path, side in value.items()
    ]


def wrong_rules(value: object) -> Iterator[str]:
    """Yield the mistakes in DJANGO_INTERFACE, each as the end of a sentence."""
    if not isinstance(value, Mapping):
        yield 'is not a dict such as {"/reports/": "wsgi"}'
        return
    for path, side in value.items():
        if side not in SIDES:
            hint = did_you_mean(str(side).lower(), SIDES)
            yield f'has {side!r} for {path!r}; give "asgi" or "wsgi"{hint}'
        if not isinstance(path, str) or not path.startswith(("/", "^")):
            yield (
                f"has {path!r}, which is neither the beginning of a path, such as /reports/, nor "
                "an expression that begins with ^"
            )
        elif path.startswith("^"):
            try:
                re.compile(path)
            except re.error as error:
                yield f"has {path!r}, which is no regular expression: {error}"
