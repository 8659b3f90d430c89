"""Middleware of others, unchanged, in a project that is served by both sides.

That Django's own handlers do the same with it is a part of `test_hybrid_matrix`.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hybrid_sites import THIRD_PARTY

from support.client import Http1Client
from support.http import Response
from support.server import Server, running

TAG = re.compile(r"<[^>]*>")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    env = {
        "DJANGO_SETTINGS_MODULE": "third_party.settings",
        "THIRD_PARTY_DATABASE": str(tmp_path_factory.mktemp("third_party") / "db.sqlite3"),
    }
    command = [sys.executable, "-m", "django", "migrate", "--verbosity=0"]
    path = os.pathsep.join([str(THIRD_PARTY), os.environ.get("PYTHONPATH", "")])
    subprocess.run(command, check=True, timeout=50, env={**os.environ, **env, "PYTHONPATH": path})
    with running("third_party", cwd=Path(THIRD_PARTY), env=env) as server:
        yield server


def ask(server: Server, target: str) -> Response:
    client = Http1Client(server.port)
    try:
        return client.request("GET", target, [("host", "testserver")])
    finally:
        client.close()


def toolbar(server: Server, target: str, **query: str) -> str:
    """Return the data that the Debug Toolbar of a page gives to its scripts."""
    response = ask(server, f"/__debug__/{target}/?{urlencode(query)}")
    assert response.status == 200, response.body
    return response.body.decode()


def panel(server: Server, request_id: str, name: str) -> str:
    """Return the text that the Debug Toolbar shows when one of its panels is opened."""
    said = toolbar(server, "render_panel", request_id=request_id, panel_id=name)
    content: str = json.loads(said)["content"]
    return unescape(TAG.sub("", content))


def request_id(response: Response) -> str:
    found = response.header("djdt-request-id")
    assert found is not None, response.headers
    return found


@pytest.mark.parametrize(("kind", "queries"), [("sync", 2), ("async", 2)])
def test_the_debug_toolbar_shows_queries(server: Server, kind: str, queries: int) -> None:
    page = ask(server, f"/{kind}/")
    body = page.body.decode()
    assert page.status == 200
    assert f"{queries} queries in" in body
    assert 'id="djDebug"' in body
    assert body.endswith("</body></html>")
    shown = panel(server, request_id(page), "SQLPanel")
    for table in ("auth_user", "auth_group"):
        assert f'FROM "{table}"' in shown, shown


def test_the_debug_toolbar_keeps_the_history_of_both_sides(server: Server) -> None:
    ids = {kind: request_id(ask(server, f"/{kind}/")) for kind in ("sync", "async")}
    history = json.loads(toolbar(server, "history_refresh", request_id=ids["sync"]))
    listed = {entry["id"]: unescape(entry["content"]) for entry in history["requests"]}
    for kind, number in ids.items():
        assert f"/{kind}/" in listed[number]
