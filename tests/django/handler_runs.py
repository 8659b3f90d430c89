"""Runs a script of handler_project in a process of its own, once for all workers of pytest."""

import ast
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parent / "handler_project"
TIMEOUT = 150


def result_of(script: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the script prints, as JSON. Workers that come later wait for the first."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    result = shared / f"{script}.json"
    with open(shared / f"{script}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            work = tmp_path_factory.mktemp("handler")
            done = subprocess.run(
                [sys.executable, script],
                cwd=PROJECT,
                env={**os.environ, "HANDLER_PROJECT_WORK": str(work)},
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
            )
            assert done.returncode == 0, done.stderr
            result.write_text(done.stdout)
    return json.loads(result.read_text())


def source_of(script: str) -> ast.Module:
    """Names of cases are read from the source, because importing it sets Django up."""
    return ast.parse((PROJECT / script).read_text())
