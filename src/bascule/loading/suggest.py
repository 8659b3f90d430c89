"""Suggestions for a TARGET that cannot be found.

Only files, and modules that are already loaded, are inspected. Nothing is imported, because a
guess must not run code.
"""

import inspect
import os
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType

from bascule.loading.detect import guess_interface, is_a, seems, takes_nothing

MAX_SHOWN = 8
# Where packages have their application.
USUAL_MODULES = ("wsgi", "asgi", "app", "main")
# How far above the current directory is looked.
MOST_ABOVE = 3


def for_path(path: str, attribute: str, directory: str) -> str:
    """Return the TARGET meant by a file's path: `polls/wsgi.py` means `polls.wsgi`."""
    absolute = os.path.join(directory, path)
    relative = os.path.relpath(absolute, directory)
    options = ""
    if relative.startswith(os.pardir):
        options = f" --app-dir {os.path.dirname(absolute)}"
        relative = os.path.basename(absolute)
    name = relative.removesuffix(".py").removesuffix(f"{os.sep}__init__").replace(os.sep, ".")
    return f"{name}:{attribute}{options}" if attribute else f"{name}{options}"


def for_module(missing: str, rest: str, directory: str) -> list[str]:
    """Return what may have been meant by a module that does not exist, the best first.

    rest: what followed the missing part in its name. Only what is there is suggested: each is a
    module, or an attribute of one, with options where it needs them.
    """
    parent, _, last = missing.rpartition(".")
    if parent in sys.modules:
        package = sys.modules[parent]
        found = [f"{parent}:{last}"] if not rest and last in vars(package) else []
        paths = list(getattr(package, "__path__", ()))
        return found + [f"{parent}.{near}" for near in near_modules(last, rest, paths)]
    name = missing + rest
    return list(
        dict.fromkeys(
            [
                *near_modules(missing, rest, [directory]),
                *(f"{package}.{name}" for package in packages_with(name, directory)),
                *(f"{name} --app-dir {sub}" for sub in directories_with(name, directory)),
                *(f"{name} --app-dir {above}" for above in directories_above(name, directory)),
            ]
        )
    )


def near_modules(name: str, rest: str, directories: Sequence[str]) -> list[str]:
    """The modules there with nearly this name, that have `rest`; where none has, the usual ones
    of a package of such a name."""
    near = close(name, modules_in(directories))
    for endings in ([rest], [f".{usual}" for usual in USUAL_MODULES]):
        found = [
            one + ending
            for one in near
            for ending in endings
            if not ending or any(module_exists(one + ending, place) for place in directories)
        ]
        if found or not rest:
            break
    return found


def close(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names most like this one."""
    from difflib import get_close_matches

    return get_close_matches(name, list(known), n=3, cutoff=0.6)


def modules_in(directories: Sequence[str]) -> list[str]:
    """Return the names of modules and packages that lie in these directories."""
    return [module.name for module in pkgutil.iter_modules(directories)]


def submodules(package: ModuleType) -> list[str]:
    """Return the names of the modules in a package; none for a plain module."""
    return modules_in(list(getattr(package, "__path__", ())))


def packages_with(name: str, directory: str) -> list[str]:
    """Return the packages of a directory that have a module of this name."""
    found = pkgutil.iter_modules([directory])
    packages = [module.name for module in found if module.ispkg]
    return [it for it in packages if module_exists(name, os.path.join(directory, it))]


def directories_with(name: str, directory: str) -> list[str]:
    """Return the directories next to the application's that have a module of this name."""
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return []
    plain = [entry.name for entry in entries if entry.is_dir() and entry.name[0] not in "._"]
    candidates = [
        it for it in plain if not os.path.exists(os.path.join(directory, it, "__init__.py"))
    ]
    return [it for it in candidates if module_exists(name, os.path.join(directory, it))]


def directories_above(name: str, directory: str) -> list[str]:
    """Return the directories above the application's that have a module of this name."""
    above = [os.path.join(*[os.pardir] * count) for count in range(1, MOST_ABOVE + 1)]
    return [it for it in above if module_exists(name, os.path.join(directory, it))][:1]


def module_exists(name: str, directory: str) -> bool:
    """Whether a directory has the file of a module or package."""
    path = os.path.join(directory, *name.split("."))
    return os.path.isfile(f"{path}.py") or os.path.isfile(os.path.join(path, "__init__.py"))


def callables_in(module: ModuleType) -> list[tuple[str, str]]:
    """Return (name, remark) of what could be served: applications first, then factories.

    Names that the module has imported are left out if Python knows where they come from.
    """
    applications, factories = [], []
    for name, value in vars(module).items():
        if name.startswith("_") or not callable(value) or imported(value, module):
            continue
        if takes_nothing(value):
            factories.append((name, "a factory, with --factory"))
        elif (interface := guess_interface(value)) is not None:
            applications.append((name, interface))
    return (applications + factories)[:MAX_SHOWN]


def imported(value: object, module: ModuleType) -> bool:
    """Whether a function or class was defined in another module."""
    if not is_a(value, type) and not seems(inspect.isroutine, value):
        return False
    return getattr(value, "__module__", None) != module.__name__
