"""Asking a project for its settings without importing it: another process does, and tells.

A supervisor must not have imported a line of the application, or workers that it forks later
would not see that it has changed.
"""

import os
import pickle
from collections.abc import Mapping
from typing import Any

from bascule.errors import BasculeError, StartupError
from bascule.settings.load import FindProject, ProjectSettings
from bascule.worker.patched import PROCESSES, refuse_patched


def asked_elsewhere(find: FindProject) -> FindProject:
    """`find`, run in a process of its own each time."""

    def ask(target: str, app_dir: str, environ: Mapping[str, str]) -> ProjectSettings | None:
        # This is the first thing that would hang.
        refuse_patched(PROCESSES)
        answer = in_child(lambda: find(target, app_dir, environ))
        if isinstance(answer, BasculeError):
            raise answer
        return answer  # type: ignore[no-any-return]  # what pickle gives

    return ask


def in_child(call: Any) -> Any:
    """What `call` returns in a forked process, or the BasculeError that it raises there."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        # Nothing of this process's own end may run here: no exit function, no flush.
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
