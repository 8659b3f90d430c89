"""Reading the settings of a project without importing it here: a forked process does.

A supervisor must not have imported any part of the application: workers that it forks later would
not see changes to that part.
"""

import os
import pickle
from collections.abc import Mapping
from typing import Any

from bascule.errors import BasculeError, StartupError
from bascule.settings.load import FindProject, ProjectSettings
from bascule.worker.patched import PROCESSES, refuse_patched


def asked_elsewhere(find: FindProject) -> FindProject:
    """Return a function that runs `find` in a process of its own each time."""

    def ask(target: str, app_dir: str, environ: Mapping[str, str]) -> ProjectSettings | None:
        # With patched threads, this is the first call that would hang.
        refuse_patched(PROCESSES)
        answer = in_child(lambda: find(target, app_dir, environ))
        if isinstance(answer, BasculeError):
            raise answer
        return answer  # type: ignore[no-any-return]  # what pickle gives

    return ask


def in_child(call: Any) -> Any:
    """Return the result of `call` in a forked process, or the BasculeError that it raises."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        # No exit function of this process may run in the child, and no buffer be flushed twice.
        try:
            os.close(reader)
            with open(writer, "wb") as file:
                file.write(answer_of(call))
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        data = file.read()
    _, status = os.waitpid(pid, 0)
    if not data:
        raise StartupError(
            f"the project's settings ended the process that read them (status {status})"
        )
    return pickle.loads(data)


def answer_of(call: Any) -> bytes:
    try:
        return pickle.dumps(call())
    except BasculeError as error:
        return pickle.dumps(error)
