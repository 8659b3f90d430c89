"""Hops, threads, connections and clients that go, one scenario each in
`handler_project/scenarios.py`. They run in a process of their own, because a process has one
Django."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent / "handler_project"
TIMEOUT = 50


def scenario_names() -> list[str]:
    tree = ast.parse((PROJECT / "scenarios.py").read_text())
    return [
        statement.name
        for statement in tree.body
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        and statement.name.startswith("scenario_")
    ]


@pytest.fixture(scope="session")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    work = tmp_path_factory.mktemp("handler")
    done = subprocess.run(
        [sys.executable, "scenarios.py"],
        cwd=PROJECT,
        env={**os.environ, "HANDLER_PROJECT_WORK": str(work)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", scenario_names())
def test_scenario(failures: dict[str, str], name: str) -> None:
    assert name not in failures, failures[name]


def test_importing_bascule_imports_no_django() -> None:
    code = "import sys, bascule, bascule.django; assert 'django' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT)
