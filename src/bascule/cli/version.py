"""The output of `bascule --version`."""

import platform

from bascule.speed import is_compiled
from bascule.version import __version__


def version_line() -> str:
    """Return version, compiled or pure, Python and event loop, in one line for bug reports."""
    speed = "compiled" if is_compiled() else "pure Python"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"bascule {__version__} ({speed}) {python} {loop_version()}"


def loop_version() -> str:
    """Return the event loop that `auto` chooses, with its version if it has one of its own."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"uvloop {version('uvloop')}"
    except PackageNotFoundError:
        return "asyncio"
