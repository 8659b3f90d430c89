"""Whether TARGET names a Django project, and which settings module is its own.

Names, files and the environment are examined; neither Django nor the project is imported, because
most TARGETs are something else.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bascule.directory import absolute
from bascule.errors import UsageError

VARIABLE = "DJANGO_SETTINGS_MODULE"
MANAGE = "manage.py"
# Flask applications have a settings.py as well.
SIGNS_OF_DJANGO = re.compile(r"\b(?:INSTALLED_APPS|ROOT_URLCONF|django)\b")


@dataclass(frozen=True, slots=True)
class Project:
    """name: its package, as people call it. settings_module, and where that is said: `source`.
    directory: where its modules are looked for first."""

    name: str
    settings_module: str
    source: str
    directory: str


def find_project(target: str, app_dir: str, environ: Mapping[str, str]) -> Project | None:
    """The project that TARGET names, or for "" the one whose manage.py is there; None for
    everything else.

    Raises UsageError where manage.py does not say which settings it takes.
    """
    directory = absolute(app_dir)
    if target:
        return named_project(target, directory, environ)
    if not is_of_django(os.path.join(directory, MANAGE)):
        return None
    module, source = said(directory, environ)
    if not module:
        raise UsageError(
            f"{MANAGE} names no settings module that can be read out of it.\n"
            f"Set {VARIABLE}, such as {VARIABLE}=mysite.settings, or give TARGET"
        )
    return Project(module.partition(".")[0], module, source, directory)


def named_project(target: str, directory: str, environ: Mapping[str, str]) -> Project | None:
    if not all(piece.isidentifier() for piece in target.split(".")) or target.endswith(".py"):
        refuse_files(target, directory)
        return None
    module, source = said(directory, environ)
    if module.startswith(f"{target}.") or (module == target == "settings"):
        return Project(target, module, source, directory)
    own = os.path.join(directory, *target.split("."), "settings")
    if not any(is_of_django(path) for path in files_of(own)):
        refuse_settings(target, directory)
        return None
    if environ.get(VARIABLE):
        return Project(target, environ[VARIABLE], "environment", directory)
    return Project(target, f"{target}.settings", os.path.relpath(own, directory), directory)


def refuse_files(target: str, directory: str) -> None:
    """Raise UsageError where TARGET is the path of manage.py, or of the settings."""
    if not target.endswith(".py"):
        return
    path = os.path.join(directory, target)
    place = os.path.dirname(os.path.relpath(path, directory))
    if os.path.basename(path) == MANAGE and is_of_django(path):
        package = in_manage(path).partition(".")[0]
        where = f" --app-dir {place}" if place else ""
        named = f", or: bascule serve {package}{where}" if package else ""
        raise UsageError(
            f"TARGET {target!r} runs the commands of a Django project; it is not an application.\n"
            f"To serve the project, type: bascule serve{where}{named}"
        )
    if not place.startswith(os.pardir):
        module = os.path.relpath(path, directory).removesuffix(".py").replace(os.sep, ".")
        refuse_settings(module, directory)


def refuse_settings(target: str, directory: str) -> None:
    """Raise UsageError where TARGET is a settings module, `mysite.settings` or one in a package
    of that name."""
    package, found, _ = target.rpartition(".settings")
    path = os.path.join(directory, *target.split("."))
    if not found and target != "settings":
        return
    if not any(is_of_django(file) for file in files_of(path)):
        return
    package = package or target
    is_usual = target == f"{package}.settings" and not os.path.isdir(path)
    variable = "" if is_usual else f"{VARIABLE}={target} "
    raise UsageError(
        f"{target} is the settings module of a Django project; it is not an application.\n"
        f"To serve the project, type: {variable}bascule serve {package}"
    )


def where_projects_are(app_dir: str, environ: Mapping[str, str]) -> str:
    """Return a hint for a command without TARGET and without a manage.py; "" if there is none."""
    module = environ.get(VARIABLE, "")
    if module:
        return f"{VARIABLE} is {module}; give its package: bascule serve {module.split('.')[0]}"
    directory = absolute(app_dir)
    while (above := os.path.dirname(directory)) != directory:
        directory = above
        if is_of_django(os.path.join(directory, MANAGE)):
            return f"{MANAGE} is above, in {directory}: go there, or give --app-dir {directory}"
    return ""


def said(directory: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The settings module that the environment names, else manage.py, and which of them it was."""
    if environ.get(VARIABLE):
        return environ[VARIABLE], "environment"
    path = os.path.join(directory, MANAGE)
    return (in_manage(path) if is_of_django(path) else ""), MANAGE


def in_manage(path: str) -> str:
    """The settings module that a manage.py sets; "" where it is not written there as text."""
    import ast

    try:
        tree = ast.parse(text_of(path))
    except (SyntaxError, ValueError):
        return ""
    for node in ast.walk(tree):
        match node:
            # os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
            case ast.Call(args=[ast.Constant(value=name), ast.Constant(value=str(module)), *_]):
                if name == VARIABLE:
                    return module
            # os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
            case ast.Assign(
                targets=[ast.Subscript(slice=ast.Constant(value=name))],
                value=ast.Constant(value=str(module)),
            ):
                if name == VARIABLE:
                    return module
    return ""


def files_of(module: str) -> list[str]:
    """The files of a module, or those of a package of settings."""
    if not os.path.isdir(module):
        return [f"{module}.py"]
    return [os.path.join(module, name) for name in os.listdir(module) if name.endswith(".py")]


def is_of_django(path: str) -> bool:
    """Whether a file speaks of Django."""
    return SIGNS_OF_DJANGO.search(text_of(path)) is not None


def text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
