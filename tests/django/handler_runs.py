"""Runs a script of handler_project in a process of its own, once for all workers of pytest."""

import ast
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parent / "handler_project"
TIMEOUT = 150


def result_of(
    script: str,
    tmp_path_factory: pytest.TempPathFactory,
    *args: str,
    cwd: Path = PROJECT,
    prepare: Callable[[Path], dict[str, str]] = lambda work: {},
) -> Any:
    """Return the output of the script, as JSON. Workers that come later wait for the first.

    prepare: makes what the script needs in its folder, and returns variables for it.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    name = "-".join([script, *args])
    result = shared / f"{name}.json"
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            work = tmp_path_factory.mktemp("handler")
            done = subprocess.run(
                [sys.executable, script, *args],
                cwd=cwd,
                env={**os.environ, "HANDLER_PROJECT_WORK": str(work), **prepare(work)},
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
            )
            assert done.returncode == 0, done.stderr
            # Before its last line there may be what a project prints.
            result.write_text(done.stdout.splitlines()[-1])
    return json.loads(result.read_text())


def scenarios_of(script: str) -> list[str]:
    """The names of its scenarios."""
    return [
        statement.name
        for statement in source_of(script).body
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        and statement.name.startswith("scenario_")
    ]


def source_of(script: str) -> ast.Module:
    """Names of cases are read from the source, because importing it sets Django up."""
    return ast.parse((PROJECT / script).read_text())
