"""Find the application that TARGET names.

Two kinds of failure are kept apart, because different people mend them. A TARGET that names
nothing is the operator's (TargetError: what was found, what to type). An application that raises
while it is imported is its author's (StartupError: its own traceback, without frames of ours or of
the import machinery).
"""

import importlib
import inspect
import os
import sys
from types import ModuleType
from typing import Any

from bascule.directory import absolute
from bascule.errors import StartupError, TargetError
from bascule.loading import suggest
from bascule.loading.detect import (
    describe,
    detect_interface,
    is_a,
    is_async,
    needs_arguments,
    takes_nothing,
)
from bascule.loading.mistakes import what_instead
from bascule.loading.traces import startup_message

__all__ = ["detect_interface", "load_target"]

APP_NAMES = ("application", "app")
# Beside a settings module, they are signs of a Django project.
BESIDE_SETTINGS = frozenset({"urls", "wsgi", "asgi"})
NOTHING = object()
FACTORY_NAMES = ("create_app", "make_app", *APP_NAMES)


def load_target(target: str, factory: bool, app_dir: str) -> object:
    """Import and return the application that `target` names.

    target: `module:attribute`, where the attribute may be dotted, or `module`, which is searched
    for `application`, then `app`. factory: what is named is a function to call for the
    application. app_dir: the directory put first on sys.path; "" is the current one. Raises
    TargetError when nothing fitting is there, StartupError when the application raises.
    """
    directory = put_first(app_dir)
    name, attribute = split_target(target, directory)
    module = import_app_module(name, attribute, directory)
    found = find_attribute(module, attribute) if attribute else find_app(module, factory)
    label = f"{name}:{attribute}" if attribute else name
    return build(found, label) if factory else checked(found, label)


def load_attribute(named: str, app_dir: str) -> object:
    """Import and return what `module:attribute` names, whatever it is.

    Raises TargetError when it is not there, StartupError when its module raises.
    """
    name, _, attribute = named.partition(":")
    return find_attribute(import_app_module(name, attribute, put_first(app_dir)), attribute)


def put_first(app_dir: str) -> str:
    """Have modules looked for there first; returns its path."""
    directory = absolute(app_dir)
    if sys.path[:1] != [directory]:
        sys.path.insert(0, directory)
    return directory


def split_target(target: str, directory: str) -> tuple[str, str]:
    """Split TARGET into module and attribute ("" for none). Raises TargetError."""
    name, _, attribute = target.partition(":")
    if os.sep in name or (name.endswith(".py") and os.path.exists(os.path.join(directory, name))):
        instead = suggest.for_path(name, attribute, directory)
        raise TargetError(f"TARGET {target!r} is the path of a file; give its module: {instead}")
    if attribute.endswith(")"):
        instead = f"{name}:{attribute.partition('(')[0]} --factory"
        raise TargetError(
            f"TARGET {target!r} has a call in it; give the factory's name: {instead}"
        )
    for part in (name, attribute) if attribute else (name,):
        if not all(piece.isidentifier() for piece in part.split(".")):
            raise TargetError(
                f"TARGET {target!r} is not a name; give module:attribute, such as "
                f"mysite.wsgi:application"
            )
    return name, attribute


def import_app_module(name: str, attribute: str, directory: str) -> ModuleType:
    """Import the module of a target.

    Raises TargetError when it is not there, StartupError when it raises.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            rest = name.removeprefix(error.name) + (f":{attribute}" if attribute else "")
            raise TargetError(module_missing(error.name, rest, directory)) from None
        raise StartupError(startup_message(name, error)) from None
    except (Exception, SystemExit) as error:
        raise StartupError(startup_message(name, error)) from None


def module_missing(missing: str, rest: str, directory: str) -> str:
    """Say where was looked for a module, and what may have been meant.

    rest: what followed the missing module in TARGET.
    """
    lines = [f"there is no module {missing!r}"]
    parent = missing.rpartition(".")[0]
    if parent in sys.modules:
        lines.append(
            f"{parent} is {getattr(sys.modules[parent], '__file__', None) or 'a directory'}"
        )
    else:
        lines.append(f"looked in {directory} and in what is installed for {sys.executable}")
    module_rest, colon, attribute = rest.partition(":")
    meant = suggest.for_module(missing, module_rest, directory)
    if meant:
        rest = colon + attribute
        lines.append(f"did you mean {' or '.join(_with_rest(it, rest) for it in meant)}?")
    elif known := ", ".join(suggest.modules_in([directory])[: suggest.MAX_SHOWN]):
        lines.append(f"there are: {known}; or give another directory with --app-dir")
    else:
        lines.append(
            "no Python module lies there; give the application's directory with --app-dir"
        )
    return ".\n".join(lines)


def _with_rest(suggestion: str, rest: str) -> str:
    module, space, options = suggestion.partition(" ")
    return suggestion if ":" in module else f"{module}{rest}{space}{options}"


def find_app(module: ModuleType, factory: bool) -> object:
    """Return the application of a module whose attribute was not named."""
    names = FACTORY_NAMES if factory else APP_NAMES
    for name in names:
        found = read_attribute(module, name, f"{module.__name__}:{name}")
        if found is not NOTHING:
            return found
    tried = " nor ".join(names)
    raise TargetError(f"the module {module.__name__} has neither {tried}.\n{elsewhere(module)}")


def elsewhere(module: ModuleType) -> str:
    """Say what to give instead of a module without an application."""
    there, name = suggest.submodules(module), module.__name__
    usual = [f"{name}.{one}" for one in suggest.USUAL_MODULES if one in there]
    if not usual:
        return part_of_django(module) or what_is_in(module)
    lines = [f"did you mean {' or '.join(usual)}?"]
    if "settings" in there and not BESIDE_SETTINGS.isdisjoint(there):
        # An installed project; projects with a manage.py here have been found before.
        lines.append(
            f"To serve a whole Django project, name its settings in DJANGO_SETTINGS_MODULE: "
            f"DJANGO_SETTINGS_MODULE={name}.settings bascule serve {name}; from Python, "
            f'bascule.serve(bascule.django.project("{name}.settings"))'
        )
    return "\n".join(lines)


def part_of_django(module: ModuleType) -> str:
    """Say what serves the project that a module is the settings or the URLconf of; "" where it is
    neither."""
    name = module.__name__
    package = name.partition(".")[0]
    if "INSTALLED_APPS" in vars(module):
        return (
            f"It is the settings module of a Django project: DJANGO_SETTINGS_MODULE={name} "
            f"bascule serve {package} serves it; from Python, "
            f'bascule.serve(bascule.django.project("{name}"))'
        )
    if "urlpatterns" in vars(module):
        return f"It is a URLconf of a Django project: bascule serve {package} serves the project"
    return ""


def find_attribute(module: ModuleType, attribute: str) -> object:
    """Return a dotted attribute of a module. Raises TargetError with what it has instead."""
    owner: Any = module
    for name in attribute.split("."):
        found = read_attribute(owner, name, f"{module.__name__}:{attribute}")
        if found is NOTHING:
            raise TargetError(attribute_missing(module, owner, name))
        owner = found
    return owner


def read_attribute(owner: object, name: str, label: str) -> object:
    """An attribute; NOTHING where there is none.

    label: as people call it. Raises StartupError where reading it runs code that fails.
    """
    try:
        return getattr(owner, name)
    except AttributeError as error:
        if is_absent(owner, name, error):
            return NOTHING
        raise StartupError(startup_message(label, error)) from None
    except (Exception, SystemExit) as error:
        raise StartupError(startup_message(label, error)) from None


def is_absent(owner: object, name: str, error: AttributeError) -> bool:
    """Whether the error says that there is no such attribute. A property that is there, and a
    `__getattr__` that has another reason to fail, raise the same."""
    frame = error.__traceback__
    if frame is None or frame.tb_next is None:
        # No code of the application has run.
        return True
    try:
        inspect.getattr_static(owner, name)
    except AttributeError:
        # Python names the attribute in an error that a __getattr__ has made of text alone.
        return error.name == name and error.obj is owner and name in str(error)
    return False


def attribute_missing(module: ModuleType, owner: object, name: str) -> str:
    """Say what a module, or an object in it, has instead."""
    if owner is not module:
        return f"{describe(owner)} has no attribute {name!r}"
    if name in suggest.submodules(module):
        return f"{name!r} is a module in {module.__name__}; give {module.__name__}.{name}"
    near = suggest.close(name, vars(module))
    hint = f"; did you mean {module.__name__}:{near[0]}?" if near else ""
    return f"the module {module.__name__} has no {name!r}{hint}\n{what_is_in(module)}"


def what_is_in(module: ModuleType) -> str:
    """List what a module has that could be served."""
    found = suggest.callables_in(module)
    if not found:
        return f"Nothing in {module.__file__ or module.__name__} looks like an application."
    listed = "".join(f"\n  {module.__name__}:{name}  ({remark})" for name, remark in found)
    return f"Applications found there:{listed}"


def checked(found: object, label: str) -> object:
    """Return what was found if it can be an application. Raises TargetError if it cannot."""
    if takes_nothing(found):
        raise TargetError(
            f"{label} is {describe(found)}, which takes no arguments.\n"
            f"If it returns the application, add --factory: {label} --factory"
        )
    if is_a(found, ModuleType):
        raise TargetError(f"{label} is a module; give {found.__name__}")
    if not callable(found):
        raise TargetError(
            f"{label} is {describe(found)}, which cannot be called; an application is a callable"
            f"{what_instead(found)}"
        )
    return found


def build(factory: object, label: str) -> object:
    """Call a factory and return its application."""
    if not callable(factory) or needs_arguments(factory):
        raise TargetError(
            f"{label} is {describe(factory)}; a factory is called without arguments.\n"
            "If it is the application itself, leave --factory out"
        )
    if is_async(factory):
        raise TargetError(f"{label} is {describe(factory)}; a factory is a plain function")
    try:
        app = factory()
    except (Exception, SystemExit) as error:
        raise StartupError(startup_message(f"{label}()", error)) from None
    if not callable(app):
        raise TargetError(f"{label}() returned {describe(app)}, which is no application")
    return app
