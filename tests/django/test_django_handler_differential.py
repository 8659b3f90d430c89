"""Django's handler and ours do the same for every request: status, header fields, cookies,
body, the order of hooks, signals with their senders, lines of the log, exceptions that reach the
server. The cases are in `handler_project/differential.py`."""

import ast
from typing import Any

import pytest
from handler_runs import TIMEOUT, result_of, source_of

# The first test waits for all of them.
pytestmark = pytest.mark.timeout(TIMEOUT + 10)

SCRIPT = "differential.py"


def stack_names() -> list[str]:
    for statement in source_of(SCRIPT).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "STACKS":
            assert isinstance(statement.value, ast.Dict)
            return [ast.literal_eval(key) for key in statement.value.keys if key is not None]
    raise AssertionError("no STACKS")


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return result_of(SCRIPT, tmp_path_factory)


@pytest.mark.parametrize("stack", stack_names())
def test_same_as_django(compared: Any, stack: str) -> None:
    found = compared[stack]
    assert found["count"] >= 40
    for name, (theirs, ours) in found["different"].items():
        assert ours == theirs, name
