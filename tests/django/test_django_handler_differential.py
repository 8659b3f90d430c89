"""Whatever a request meets, Django's handler and ours do the same: status, header fields, cookies,
body, the order of hooks, signals with their senders, lines of the log, exceptions that reach the
server. The cases are in `handler_project/differential.py`."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parent / "handler_project"
TIMEOUT = 50


def stack_names() -> list[str]:
    """Read from the source, for importing it sets Django up."""
    tree = ast.parse((PROJECT / "differential.py").read_text())
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "STACKS":
            assert isinstance(statement.value, ast.Dict)
            return [ast.literal_eval(key) for key in statement.value.keys if key is not None]
    raise AssertionError("no STACKS")


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    work = tmp_path_factory.mktemp("handler")
    done = subprocess.run(
        [sys.executable, "differential.py"],
        cwd=PROJECT,
        env={**os.environ, "HANDLER_PROJECT_WORK": str(work)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("stack", stack_names())
def test_same_as_django(compared: Any, stack: str) -> None:
    found = compared[stack]
    assert found["count"] > 50
    for name, (theirs, ours) in found["different"].items():
        assert ours == theirs, name
