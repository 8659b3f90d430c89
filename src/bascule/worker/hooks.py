"""Functions of the application that are called when a worker starts and when it ends.

    --on-worker-start    when the application has been imported, before its lifespan begins and
                         before the worker accepts. If it raises, the worker does not start.
    --on-worker-exit     when everything has stopped. If it raises, that is logged. Where a worker
                         has ended without calling it, as one that was killed, a process of its
                         own calls it (`supervisor/exit_calls.py`).

Both are called with the worker's process number, as prometheus_client's mark_process_dead is, or
without arguments where they take none. Both are found once the application has been imported:
modules of a Django project cannot be imported before. The exit hook is called for each worker
whose start hook was.
"""

import logging
import os
from collections.abc import Callable
from typing import Any

from bascule.errors import StartupError, TargetError
from bascule.loading.detect import describe, is_async, takes_nothing
from bascule.loading.locate import load_attribute
from bascule.loading.traces import startup_message
from bascule.settings import OPTIONS, Settings

logger = logging.getLogger("bascule")


class Hook:
    """A hook.

    label: its setting and its name, for people.
    function: what is called.
    """

    def __init__(self, label: str, function: Callable[..., Any]) -> None:
        self.label = label
        self.function = function
        self.arguments = 0 if takes_nothing(function) else 1

    def begin(self, pid: int) -> None:
        """Call it for a start. pid: of the worker. Raises StartupError."""
        try:
            self.function(*(pid,)[: self.arguments])
        except (Exception, SystemExit) as error:
            error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
            raise StartupError(startup_message(self.label, error, "failed; it")) from None

    def end(self, pid: int) -> None:
        """Call it for an end. pid: of the worker. Its exceptions are logged."""
        try:
            self.function(*(pid,)[: self.arguments])
        except (Exception, SystemExit):
            logger.exception("%s failed for the process %d", self.label, pid)


def find_hook(settings: Settings, name: str) -> Hook | None:
    """Return the hook that a setting names, None for none. Raises TargetError or StartupError."""
    named = getattr(settings, name)
    if named is None:
        return None
    label = f"{OPTIONS[name].flag} {named}"
    try:
        function: Any = load_attribute(named, settings.app_dir)
    except TargetError as error:
        raise TargetError(f"{label}: {error}") from None
    if not callable(function) or is_async(function):
        raise TargetError(f"{label}: it is {describe(function)}; it has to be a plain function")
    return Hook(label, function)


class Hooks:
    """Both hooks of a worker. exit_called: called when the exit hook has run."""

    def __init__(self, settings: Settings, exit_called: Callable[[], None] = lambda: None) -> None:
        """Raises TargetError or StartupError."""
        self.start = find_hook(settings, "on_worker_start")
        self.exit = find_hook(settings, "on_worker_exit")
        self.exit_called = exit_called

    def begin(self) -> None:
        """Call the start hook. Raises StartupError."""
        if self.start is not None:
            self.start.begin(os.getpid())

    def end(self) -> None:
        """Call the exit hook."""
        if self.exit is not None:
            self.exit.end(os.getpid())
            self.exit_called()
