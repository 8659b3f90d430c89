"""Django's WSGI handler, and with what its signals do done by Bascule: each scenario of
`handler_project/wsgi_scenarios.py` observes the same with both. They run in a process of their
own, because a process has one Django."""

import pytest
from handler_runs import TIMEOUT, result_of, scenarios_of

# The first test waits for all of them.
pytestmark = pytest.mark.timeout(TIMEOUT + 10)

SCRIPT = "wsgi_scenarios.py"


@pytest.fixture(scope="session")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    found: dict[str, str] = result_of(SCRIPT, tmp_path_factory)
    return found


@pytest.mark.parametrize("name", scenarios_of(SCRIPT))
def test_scenario(failures: dict[str, str], name: str) -> None:
    assert name not in failures, failures[name]
