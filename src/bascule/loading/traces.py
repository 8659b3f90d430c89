"""Tracebacks of an application that did not start, showing its own frames only."""

import importlib
import os
import sys
import traceback

from bascule.registry import own_code

IMPORT_MACHINERY = "<frozen importlib"
LOCATE = os.path.join(os.path.dirname(__file__), "locate.py")


def startup_message(
    label: str, error: BaseException, failed: str = "could not be loaded; its code"
) -> str:
    """Say that `label` raised, and show where. failed: in words, while what.

    The frames before the application's are ours and the import system's; they explain nothing to
    its author.
    """
    lines = [f"{label} {failed} raised {_named(error)}\n", _trace(error)]
    if isinstance(error, ModuleNotFoundError) and error.name and _is_absent(error.name):
        lines.append(
            f"{error.name} is not installed for {sys.executable}. Is that the environment of the "
            f"application?"
        )
    return "\n".join(lines).rstrip()


def _is_absent(module: str) -> bool:
    """Whether its whole package is missing; else it is a slip in a name."""
    return module.partition(".")[0] not in sys.modules


def _named(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"SystemExit({error.code!r}): it called sys.exit()"
    return type(error).__name__


def _trace(error: BaseException) -> str:
    shown = traceback.TracebackException.from_exception(error)
    _trim(shown)
    return "".join(shown.format())


def _trim(shown: traceback.TracebackException) -> None:
    """Remove the frames of the import system and of this package, in the causes as well."""
    ours = (IMPORT_MACHINERY, importlib.__file__, LOCATE, *own_code)
    kept = [frame for frame in shown.stack if not frame.filename.startswith(ours)]
    shown.stack = traceback.StackSummary.from_list(kept)
    for cause in (shown.__cause__, shown.__context__, *(shown.exceptions or ())):
        if cause is not None:
            _trim(cause)
