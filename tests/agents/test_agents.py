"""Monitoring agents report the same about a Django project as under other servers.

Each agent watches the same project three times: under Bascule with both sides, under Bascule with
the ASGI side alone, and under a server of the standard library or Uvicorn, which have nothing of
ours.
"""

import signal
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
from watching import AGENTS, Agent

from support.client import Http1Client
from support.needs import missing
from support.server import Server, running_command

SITE = Path(__file__).parent / "site"
SYNC = ("/sync/", "/sync/fails/")
ASYNC = ("/async/", "/async/fails/")
BASCULE = ["python", "-m", "bascule", "serve", "watched", "--bind", "fd://{fd}"]
ASGI = [*BASCULE, "--interface", "asgi"]
PLAIN_WSGI = ["python", "plain_wsgi.py", "{fd}"]
PLAIN_ASGI = ["uvicorn", "watched.asgi:application", "--lifespan", "off", "--fd", "{fd}"]


def served(agent: Agent, command: list[str]) -> list[str]:
    """The words of a command under an agent. Programs of agents look for others on PATH."""
    program, *words = command
    return [*agent.words, str(Path(sys.executable).parent / program), *words]


def ask(server: Server, paths: tuple[str, ...]) -> None:
    for path in paths:
        client = Http1Client(server.port)
        try:
            response = client.request("GET", path)
        finally:
            client.close()
        assert response.status == (500 if "fails" in path else 200)


def reports(agent: Agent, server: Server) -> list[str]:
    # Uvicorn sends itself the signal that has stopped it once more, and SIGTERM would leave no
    # time for a last report.
    server.signal(signal.SIGINT)
    server.wait()
    return sorted(agent.reports(server.output()))


@pytest.mark.agents
@pytest.mark.parametrize("name", AGENTS)
def test_reports_are_those_of_other_servers(name: str) -> None:
    agent = AGENTS[name]
    if find_spec(agent.package.partition(".")[0]) is None:
        missing(f"{agent.package} (pip install --group agents)")
    env = {"DJANGO_SETTINGS_MODULE": "watched.settings", **agent.env}
    with ExitStack() as stack:

        def start(command: list[str]) -> Server:
            running = running_command(served(agent, command), cwd=SITE, env=env)
            return stack.enter_context(running)

        both, asgi = start(BASCULE), start(ASGI)
        plain_wsgi, plain_asgi = start(PLAIN_WSGI), start(PLAIN_ASGI)
        if name == "elastic-apm":
            # Django calls its receivers in another context than the view, and under Uvicorn it
            # reports no transaction of any view.
            plain_asgi = start(PLAIN_WSGI)
        ask(both, SYNC + ASYNC)
        ask(asgi, ASYNC)
        ask(plain_wsgi, SYNC)
        ask(plain_asgi, ASYNC)
        of_sync, of_async = reports(agent, plain_wsgi), reports(agent, plain_asgi)
        assert len(of_sync) >= 2
        assert len(of_async) >= 2
        assert reports(agent, asgi) == of_async
        assert reports(agent, both) == sorted(of_sync + of_async)
