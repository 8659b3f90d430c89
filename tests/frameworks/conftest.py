"""The frameworks, each served by a process of its own for as long as its tests run."""

from collections.abc import Iterator

import pytest
from framework_sites import APPS, FRAMEWORKS, Site

from support.server import Server, running


@pytest.fixture(scope="session", params=FRAMEWORKS, ids=lambda framework: framework.name)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with running(request.param.target, cwd=APPS) as server:
        yield Site(request.param, server)
    assert_no_error_but_those_on_purpose(server.output())


def assert_no_error_but_those_on_purpose(output: str) -> None:
    """No request of the checklist makes the server, or the app through it, fail unawares."""
    lines = output.splitlines()
    tracebacks = lines.count("Traceback (most recent call last):")
    assert tracebacks == lines.count("RuntimeError: broken on purpose"), output


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show beside a failure what its server wrote."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            server = getattr(value, "server", value)
            if isinstance(server, Server):
                report.sections.append(("server output", server.output()))
    return report
