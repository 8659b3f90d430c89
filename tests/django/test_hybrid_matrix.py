"""One project by WSGI, by ASGI and by both. Whichever a request meets, Django does the same:
status, header fields, body, signals, lines of the log, queries, connections, in their order.

The requests are in `matrix_cases`, the servers in `matrix_run`.
"""

from pathlib import Path
from typing import Any

import pytest
from handler_runs import TIMEOUT, result_of
from matrix_cases import CASES, DIFFERENT, NOT_ALONE, ON_PURPOSE, Step

from support.polls import prepared

# The first test waits for all of them.
pytestmark = pytest.mark.timeout(TIMEOUT + 10)

HANDLERS = {"wsgi": "WSGIHandler", "asgi": "ASGIHandler"}
Outcome = dict[str, Any]


@pytest.fixture(scope="session")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return result_of("matrix_run.py", tmp_path_factory, "edges", cwd=Path(__file__).parent)


@pytest.fixture(scope="session")
def polls(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = Path(__file__).parent
    return result_of("matrix_run.py", tmp_path_factory, "polls", cwd=folder, prepare=prepared)


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return result_of("matrix_run.py", tmp_path_factory, "third_party", cwd=Path(__file__).parent)


@pytest.fixture
def found(request: pytest.FixtureRequest, project: str) -> Any:
    return request.getfixturevalue(project)


def quiet(outcome: Outcome) -> Outcome:
    """Without what only receivers of signals could tell."""
    events = [event for event in outcome["events"] if not event.startswith("signal ")]
    return {**outcome, "events": events}


def of_no_side(outcome: Outcome) -> Outcome:
    """Without the sender of the signals, and what it sends of the request."""
    events = []
    for event in outcome["events"]:
        words = event.split()
        events.append(" ".join(words[:2]) if words[0] == "signal" else event)
    return {**outcome, "events": events}


def count(outcome: Outcome, beginning: str) -> int:
    return sum(event.startswith(beginning) for event in outcome["events"])


EVERY = [(project, case) for project, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("project", "case"), EVERY)
def test_as_django_does_it(found: Any, project: str, case: str) -> None:
    steps = CASES[project][case].steps
    outcomes = found["cases"][case]
    for number, step in enumerate(steps):
        each = {way: results[number] for way, results in outcomes.items()}
        if (project, case) in ON_PURPOSE:
            assert each["hybrid"] != each[step.side]
            each |= {"hybrid": each[step.side], "hybrid quiet": quiet(each[step.side])}
        check(step, each)
    both = ([of_no_side(outcome) for outcome in outcomes[way]] for way in ("wsgi", "asgi"))
    assert (next(both) != next(both)) is ((project, case) in DIFFERENT)


def check(step: Step, each: dict[str, Outcome]) -> None:
    expected = each[step.side]
    assert each["hybrid"] == expected, step
    assert each["hybrid quiet"] == quiet(expected), step
    assert each["ours"] == each["asgi"], step
    assert each["ours quiet"] == quiet(each["asgi"]), step
    # And what they all do is what Django promises.
    assert expected["status"] == step.status, step
    for name in ("request_started", "request_finished"):
        assert count(expected, f"signal {name} ") == 1
        assert count(expected, f"signal {name} {HANDLERS[step.side]} ") == 1
    assert count(expected, "signal got_request_exception ") == (step.status == 500)
    assert count(expected, "connection ") == (count(expected, "sql ") > 0)


@pytest.mark.parametrize(("project", "left_out"), [("edges", NOT_ALONE), ("polls", set())])
def test_every_url_is_asked(found: Any, project: str, left_out: set[str]) -> None:
    assert set(found["unvisited"]) == left_out
