"""ASGI applications of a Django project, served by their modules: whatever they are, threads are
bounded and stay, and connections with them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hybrid_sites import Answer, ask
from websockets.sync.client import connect

from support.client import Http1Client
from support.commands import clean_environment, started
from support.server import Server, running

PROJECT = Path(__file__).parent / "projects" / "lent_threads"
OURS = "Bascule's own is called instead"
AROUND = "is called with threads that last, at most"

# The applications, and how each is served.
TARGETS = {
    "lent_threads.asgi:application": OURS,
    "lent_threads.asgi:own": AROUND,
    "lent_threads.asgi:routed": AROUND,
    "lent_threads.asgi:mounted": AROUND,
}


@contextmanager
def served(
    target: str, folder: Path, *args: str, threads: int = 2, **env: str
) -> Iterator[Server]:
    env = {"LENT_DATABASE": f"{folder}/db.sqlite3", **env}
    with running(target, "--threads", str(threads), *args, cwd=PROJECT, env=env) as server:
        yield server
    assert "is not closed" not in server.output()


def seen(server: Server, target: str) -> dict[str, object]:
    answer, _ = ask(server.port, target)
    assert answer.status == 200, answer
    found: dict[str, object] = json.loads(answer.body)
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_a_thread_and_its_connection_stay(target: str, tmp_path: Path) -> None:
    with served(target, tmp_path, "--log-level", "debug") as server:
        found = [seen(server, path) for path in ("/thread/", "/athread/") * 5]
        assert {str(one["name"])[:14] for one in found} == {"bascule-django"}
        assert all(one.get("again", one["thread"]) == one["thread"] for one in found)
        # The first may still be at its end when its client asks again.
        threads = len({one["thread"] for one in found})
        assert threads <= 2
        assert seen(server, "/connections/") == {"created": threads}
        assert TARGETS[target] in server.output()


@pytest.mark.parametrize("target", TARGETS)
def test_as_many_threads_as_were_asked_for(target: str, tmp_path: Path) -> None:
    with served(target, tmp_path, threads=3) as server:
        assert threads_of(server, 9) == 3


def threads_of(server: Server, number: int) -> int:
    """How many threads have served that many requests, which came at once and in threes."""
    clients = [Http1Client(server.port) for _ in range(number)]
    try:
        streams = [client.open("GET", "/together/") for client in clients]
        answers = [stream.response() for stream in streams]
    finally:
        for client in clients:
            client.close()
    assert {answer.status for answer in answers} == {200}
    return len({answer.body for answer in answers})


@pytest.mark.parametrize("target", TARGETS)
def test_no_threads_for_wsgi_are_one_for_asgi(target: str, tmp_path: Path) -> None:
    with served(target, tmp_path, threads=0) as server:
        assert str(seen(server, "/thread/")["name"]).startswith("bascule-django")


@pytest.mark.parametrize("target", TARGETS)
def test_a_task_that_outlives_its_request_gets_a_thread(target: str, tmp_path: Path) -> None:
    with served(target, tmp_path, threads=1) as server:
        assert ask(server.port, "/leftover/")[0].body == b"left"
        assert ask(server.port, "/leftover/seen/")[0].body == b"seen"


@pytest.mark.parametrize("target", TARGETS)
def test_answers_are_those_of_the_application_itself(target: str, tmp_path: Path) -> None:
    """From Python an application is served as it is."""
    module, attribute = target.split(":")
    with served(target, tmp_path) as server:
        ours = answers(server.port)
    script = f"import bascule, sys; from {module} import {attribute} as app; " + (
        "sys.exit(bascule.serve(app, port=0, threads=2))"
    )
    with from_python(script, tmp_path) as server:
        assert answers(server.port) == ours


@contextmanager
def from_python(script: str, folder: Path) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env=clean_environment({"LENT_DATABASE": f"{folder}/db.sqlite3"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    server = Server(process, 0, "http")
    try:
        output = server.wait_for_output("listening on http://")
        server.wait_for_output("\n")
        server.port = int(output.rpartition(":")[2].split()[0])
        yield server
        server.stop()
    except BaseException as error:
        server.kill()
        error.add_note(f"--- output ---\n{server.output()}")
        raise


def answers(port: int) -> list[Answer]:
    targets = ("/stream/", "/broken/", "/nowhere/", "/connections")
    asked = [ask(port, target)[0] for target in targets]
    return [*asked, ask(port, "/echo/", "POST", body=b"\x00posted")[0]]


# Around Django


def test_websockets_pass_through(tmp_path: Path) -> None:
    with (
        served("lent_threads.asgi:routed", tmp_path, threads=1) as server,
        connect(f"ws://127.0.0.1:{server.port}/chat/", proxy=None) as socket,
    ):
        socket.send("hello")
        assert socket.recv() == "/chat/ hello"
        # It holds no thread.
        assert str(seen(server, "/thread/")["name"]).startswith("bascule-django")
        socket.send("still here")
        assert socket.recv() == "/chat/ still here"


def test_what_is_beside_django_has_the_same_threads(tmp_path: Path) -> None:
    with served("lent_threads.asgi:mounted", tmp_path) as server:
        found = {str(seen(server, "/thread/")["thread"]) for _ in range(3)}
        found |= {ask(server.port, "/beside/")[0].body.decode() for _ in range(5)}
        assert len(found) <= 2
        assert seen(server, "/connections/") == {"created": len(found)}
        assert server.stop() == 0
        assert "the application has ended" in server.output()


def test_one_that_lends_by_itself_is_left_alone(tmp_path: Path) -> None:
    """Its threads are as many as it says, not as many as --threads."""
    script = tmp_path / "other.py"
    script.write_text(
        "import os\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'lent_threads.settings'\n"
        "from bascule.django.handler import get_asgi_application\n"
        "application = get_asgi_application(threads=3)\n"
    )
    env = {"PYTHONPATH": ":".join([str(tmp_path), *sys.path])}
    with served("other", tmp_path, "--log-level", "debug", threads=1, **env) as server:
        assert threads_of(server, 9) == 3
        assert OURS not in server.output()
        assert AROUND not in server.output()


def test_methods_that_somebody_has_put_there_are_called(tmp_path: Path) -> None:
    """As tools do that watch the requests of a project."""
    (tmp_path / "watched.py").write_text(
        "from django.core.handlers.asgi import ASGIHandler\n"
        "import functools\n"
        "call = ASGIHandler.__call__\n"
        "@functools.wraps(call)\n"
        "async def watched(self, scope, receive, send):\n"
        "    print('watched', scope['path'], flush=True)\n"
        "    await call(self, scope, receive, send)\n"
        "ASGIHandler.__call__ = watched\n"
        "from lent_threads.asgi import application\n"
    )
    (tmp_path / "watched_settings.py").write_text(
        "import watched\nfrom lent_threads.settings import *\nASGI_APPLICATION = None\n"
    )
    env = {"PYTHONPATH": ":".join([str(tmp_path), *sys.path])}
    for target, more in (
        ("watched", {}),
        ("lent_threads", {"DJANGO_SETTINGS_MODULE": "watched_settings"}),
    ):
        with served(target, tmp_path, **env, **more) as server:
            found = seen(server, "/athread/")
            assert str(found["name"]).startswith("bascule-django")
            server.wait_for_output("watched /athread/")


@pytest.mark.parametrize("when", ["before", "with the URLconf"])
def test_functions_that_somebody_has_put_in_the_place_of_djangos(
    tmp_path: Path, when: str
) -> None:
    """Agents replace `get_asgi_application`, as ddtrace does, or come late, with a module of the
    project's."""
    made = (
        "from django.core import asgi\n"
        "get = asgi.get_asgi_application\n"
        "def get_watched():\n"
        "    app = get()\n"
        "    async def watched(scope, receive, send):\n"
        "        print('watched', scope['path'], flush=True)\n"
        "        await app(scope, receive, send)\n"
        "    return watched\n"
        "asgi.get_asgi_application = get_watched\n"
    )
    late = (
        "from django.core.handlers.asgi import ASGIHandler\n"
        "call = ASGIHandler.__call__\n"
        "async def watched(self, scope, receive, send):\n"
        "    print('watched', scope['path'], flush=True)\n"
        "    await call(self, scope, receive, send)\n"
        "ASGIHandler.__call__ = watched\n"
    )
    (tmp_path / "watch.py").write_text(made if when == "before" else late)
    (tmp_path / "watched_urls.py").write_text("import watch\nfrom lent_threads.urls import *\n")
    (tmp_path / "watched_settings.py").write_text(
        ("import watch\n" if when == "before" else "")
        + "from lent_threads.settings import *\n"
        + "ASGI_APPLICATION = None\nROOT_URLCONF = 'watched_urls'\n"
    )
    env = {
        "PYTHONPATH": ":".join([str(tmp_path), *sys.path]),
        "DJANGO_SETTINGS_MODULE": "watched_settings",
    }
    with served("lent_threads", tmp_path, **env) as server:
        found = seen(server, "/athread/")
        assert str(found["name"]).startswith("bascule-django")
        server.wait_for_output("watched /athread/")


def test_wsgi_of_a_project_and_other_frameworks_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(
        "import sys\n"
        "async def app(scope, receive, send):\n"
        "    if scope['type'] != 'http':\n"
        "        raise ValueError\n"
        "    assert not any(name.partition('.')[0] == 'django' for name in sys.modules)\n"
        "    await send({'type': 'http.response.start', 'status': 204, 'headers': []})\n"
        "    await send({'type': 'http.response.body'})\n"
    )
    with running("plain:app", cwd=tmp_path) as server:
        assert ask(server.port, "/")[0].status == 204
    (tmp_path / "wsgi_of_it.py").write_text(
        "import os\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'lent_threads.settings'\n"
        "from django.core.wsgi import get_wsgi_application\n"
        "application = get_wsgi_application()\n"
    )
    env = {"PYTHONPATH": ":".join([str(tmp_path), *sys.path])}
    with served("wsgi_of_it", tmp_path, **env) as server:
        assert not str(seen(server, "/thread/")["name"]).startswith("bascule-django")


# Both sides


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("application", ["application", "own", "routed"])
def test_the_asgi_side_has_threads(application: str, threads: int, tmp_path: Path) -> None:
    env = {"LENT_APPLICATION": application}
    with served("lent_threads", tmp_path, threads=threads, **env) as server:
        found = [seen(server, "/athread/") for _ in range(5)]
        assert {str(one["name"])[:14] for one in found} == {"bascule-django"}
        assert seen(server, "/connections/") == {"created": len({one["thread"] for one in found})}
        own = dict(ask(server.port, "/athread/")[0].fields).get("x-own")
        assert own == ("yes" if application == "own" else None)


@pytest.mark.parametrize("application", ["application", "own"])
def test_as_many_on_the_asgi_side(application: str, tmp_path: Path) -> None:
    env = {"LENT_APPLICATION": application}
    args = ("--interface", "asgi")
    with served("lent_threads", tmp_path, *args, threads=3, **env) as server:
        assert threads_of(server, 9) == 3


def test_as_many_from_python(tmp_path: Path) -> None:
    script = (
        "import bascule, sys; from bascule.django import project; "
        "app = project('lent_threads.settings', threads=3); "
        "sys.exit(bascule.serve(app, interface='asgi', port=0))"
    )
    with from_python(script, tmp_path) as server:
        assert threads_of(server, 9) == 3


def test_an_application_that_fails_while_ours_is_made(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(
        "import os\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'lent_threads.settings'\n"
        "from django.core.asgi import get_asgi_application\n"
        "from django.conf import settings\n"
        "application = get_asgi_application()\n"
        "settings.MIDDLEWARE = ['not.there']\n"
    )
    env = {"PYTHONPATH": ":".join([str(tmp_path), str(PROJECT), *sys.path])}
    with started("serve", "twice", "--port", "0", cwd=tmp_path, env=env) as server:
        assert server.wait() == 3
        assert "twice could not be loaded; its code raised ModuleNotFound" in server.output()
