"""The current directory, by the path that the operator used.

Deployments keep each release in a directory of its own, and a symbolic link, `current`, points to
one of them. The kernel knows only the directory itself: os.getcwd() is `releases/1` even after the
link points elsewhere. The shell keeps the path as it was typed in PWD. A server that remembers
that path finds the new release when it imports the application again, as users of Gunicorn expect.
It also finds a directory that was deleted and created again.
"""

import os
import sys

from bascule.errors import StartupError, UsageError
from bascule.variables import PWD


def current() -> str:
    """Return the current directory. Raises UsageError where it has been deleted."""
    path = os.environ.get(PWD, "")
    if os.path.isabs(path) and is_same(path, os.curdir):
        return path
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise UsageError(
            "the current directory has been deleted.\n"
            f"Start the server in a directory that exists{f': cd {path}' if path else ''}"
        ) from None


def absolute(path: str) -> str:
    """Return the absolute path of a path relative to the current directory; "" is that directory.

    Raises UsageError where there is no current directory.
    """
    if os.path.isabs(path):
        return os.path.normpath(path)
    if os.pardir in path.split(os.sep):
        # For the kernel, the parent is that of the directory, not that of the link.
        current()
        return os.path.abspath(path)
    return os.path.normpath(os.path.join(current(), path))


def of_script() -> str:
    """Return the directory of the running script, such as manage.py, as it was named.

    Python searches it for modules first, by a path without symbolic links.
    """
    named = os.path.dirname(absolute(sys.argv[0]))
    return named if is_same(named, sys.path[0]) else absolute(sys.path[0])


def settle() -> str:
    """Return the current directory, for `come_back`. From now on, modules in it are found by this
    path. Raises UsageError where it has been deleted."""
    path = current()
    if sys.path[:1] == [os.path.realpath(path)]:
        sys.path[0] = path
    return path


def come_back(path: str) -> None:
    """Change to the directory at this path. Raises StartupError where there is none any more."""
    try:
        if not is_same(path, os.curdir):
            os.chdir(path)
    except PermissionError:
        # Keep the directory that the server was started in: another one cannot be found.
        pass
    except OSError as error:
        raise StartupError(
            f"the directory {path}, in which the server was started, cannot be entered: "
            f"{error.strerror or error}"
        ) from None


def is_same(one: str, other: str) -> bool:
    """Whether two paths lead to the same directory."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
