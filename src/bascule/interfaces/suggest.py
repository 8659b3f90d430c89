"""What to type instead of a TARGET that cannot be found.

Only looks at files and at modules that are loaded already; it imports nothing, because a guess
must not run code.
"""

import inspect
import os
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType

from bascule.interfaces.detect import guess_interface, takes_nothing

MAX_SHOWN = 8


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


def for_module(name: str, directory: str) -> list[str]:
    """Return what may have been meant by the module that does not exist, the best first."""
    parent, _, last = name.rpartition(".")
    found = []
    if hasattr(sys.modules.get(parent), last):
        found.append(f"{parent}:{last}")
    siblings = (
        submodules(sys.modules[parent]) if parent in sys.modules else modules_in([directory])
    )
    prefix = f"{parent}." if parent in sys.modules else ""
    found += [prefix + near for near in close(last if prefix else name, siblings)]
    found += [f"{package}.{name}" for package in packages_with(name, directory)]
    found += [f"{name} --app-dir {sub}" for sub in directories_with(name, directory)]
    return list(dict.fromkeys(found))


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


def module_exists(name: str, directory: str) -> bool:
    """Whether a directory has the file of a module or package."""
    path = os.path.join(directory, *name.split("."))
    return os.path.isfile(f"{path}.py") or os.path.isfile(os.path.join(path, "__init__.py"))


def callables_in(module: ModuleType) -> list[tuple[str, str]]:
    """Return (name, remark) of what could be served: applications first, then factories.

    What a module imported from elsewhere is left out where Python knows that it did.
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
    if not isinstance(value, type) and not inspect.isroutine(value):
        return False
    return getattr(value, "__module__", None) != module.__name__
