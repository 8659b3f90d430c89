"""Hops, threads, connections and clients that go, one scenario each in
`handler_project/scenarios.py`. They run in a process of their own, because a process has one
Django."""

import subprocess
import sys

import pytest
from handler_runs import TIMEOUT, result_of, scenarios_of

# The first test waits for all of them.
pytestmark = pytest.mark.timeout(TIMEOUT + 10)

SCRIPT = "scenarios.py"


@pytest.fixture(scope="session")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    found: dict[str, str] = result_of(SCRIPT, tmp_path_factory)
    return found


@pytest.mark.parametrize("name", scenarios_of(SCRIPT))
def test_scenario(failures: dict[str, str], name: str) -> None:
    assert name not in failures, failures[name]


def test_importing_bascule_imports_no_django() -> None:
    code = "import sys, bascule, bascule.django; assert 'django' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT)
