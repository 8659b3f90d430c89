"""The current directory, by the path that the user has come by.

Deployments keep each release in a directory of its own and have a symbolic link, `current`, point
at one of them. The kernel knows only the directory itself, so os.getcwd() says `releases/1` even
when the link has moved on. The shell keeps the path as it was typed in PWD. A server that
remembers that path finds the new release when it imports the application again, as Gunicorn's
users expect; and a directory that was deleted and made anew under the same path, too.
"""

import os
import sys

from bascule.errors import StartupError, UsageError
from bascule.variables import PWD


def current() -> str:
    """The current directory. Raises UsageError where it has been deleted."""
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
    """The absolute path of one that is relative to the current directory, which is "" as well.

    Raises UsageError where there is no current directory.
    """
    if os.path.isabs(path):
        return os.path.normpath(path)
    if os.pardir in path.split(os.sep):
        # Above the directory itself, as the kernel sees it, not above the link.
        current()
        return os.path.abspath(path)
    return os.path.normpath(os.path.join(current(), path))


def of_script() -> str:
    """The directory of the script that runs, such as manage.py, as it was named. Python looks for
    modules there first, by a path without symbolic links."""
    named = os.path.dirname(absolute(sys.argv[0]))
    return named if is_same(named, sys.path[0]) else absolute(sys.path[0])


def settle() -> str:
    """The current directory, for `come_back`; modules that were looked for there by another path
    are looked for by this one. Raises UsageError where it has been deleted."""
    path = current()
    if sys.path[:1] == [os.path.realpath(path)]:
        sys.path[0] = path
    return path


def come_back(path: str) -> None:
    """Make what is at this path now the current directory. Raises StartupError where there is
    nothing any more."""
    try:
        if not is_same(path, os.curdir):
            os.chdir(path)
    except PermissionError:
        # It is still the one that the server was started in; nobody can find out about another.
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
