"""A project served by both sides: what both together must do, in real processes."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from hybrid_sites import EDGES, ask
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.client import Http1Client
from support.http2_stepped import Http2SteppedClient
from support.polls import DEMO, POLLS, prepared
from support.server import Server, running
from support.websocket_client import WebSocketClient, close, text

MANY = 64


@pytest.fixture(scope="module")
def edges() -> Iterator[Server]:
    with running("hybrid_edges", cwd=EDGES) as server:
        yield server
    assert "lifespan has ended" in server.output()


@pytest.fixture(scope="module")
def polls_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return prepared(tmp_path_factory.mktemp("polls"))


@pytest.fixture(scope="module")
def polls(polls_env: dict[str, str]) -> Iterator[Server]:
    with running("polls", cwd=POLLS, env=polls_env) as server:
        yield server
    assert "Traceback" not in server.output()


def body_of(server: Server, target: str) -> str:
    return ask(server.port, target)[0].body.decode()


# The sides


def test_the_banner_names_both_sides(edges: Server) -> None:
    output = edges.wait_for_output("listening")
    line = (
        "serving hybrid_edges as Django: WSGI in 3 threads, ASGI on the loop, "
        "WebSockets by hybrid_edges.asgi"
    )
    assert line in output


def test_sync_views_run_in_the_threads_and_async_ones_on_the_loop(edges: Server) -> None:
    assert body_of(edges, "/thread/sync/").startswith("bascule")
    assert body_of(edges, "/thread/async/") == "MainThread"


def test_many_wait_on_the_loop_while_sync_views_are_served(edges: Server) -> None:
    clients = [Http1Client(edges.port) for _ in range(MANY)]
    try:
        streams = [client.open("GET", "/wait/") for client in clients]
        assert body_of(edges, f"/waiting/?number={MANY}") == f"True {MANY}"
        for _ in range(10):
            assert body_of(edges, "/thread/sync/").startswith("bascule")
        assert body_of(edges, "/release/") == "done"
        assert {stream.response().body for stream in streams} == {b"released"}
    finally:
        for client in clients:
            client.close()


def test_an_async_view_hears_that_its_client_has_gone(edges: Server) -> None:
    client = Http1Client(edges.port)
    client.open("GET", "/gone/")
    assert body_of(edges, "/gone/seen/?what=gone+started") == "True"
    client.close()
    assert body_of(edges, "/gone/seen/?what=gone") == "True"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stream_ends_with_its_client(kind: str) -> None:
    """In the middle of it, while the server waits for the client. The signal is sent as ever."""
    with running("hybrid_edges", cwd=EDGES) as server:
        for number, leave in enumerate(("close", "reset"), 1):
            client = Http1Client(server.port, receive_buffer=4096)
            assert client.open("GET", f"/endless/{kind}/").read()
            getattr(client, leave)()
            # The request that asks is one of WSGI itself.
            signal = "finished+ASGIHandler" if kind == "async" else "finished+WSGIHandler"
            for what in (f"endless+{kind}", signal):
                assert body_of(server, f"/gone/seen/?what={what}&number={number}") == "True"
    assert "Traceback" not in server.output()


def test_each_request_has_its_signals_once() -> None:
    with running("hybrid_edges", cwd=EDGES) as server:
        for target in ("/sync/", "/async/", "/async/", "/nowhere/"):
            ask(server.port, target)
        expected = {
            "started WSGIHandler": 3,
            "finished WSGIHandler": 2,
            "started ASGIHandler": 2,
            "finished ASGIHandler": 2,
        }
        query = "&".join(f"{name.replace(' ', '+')}={count}" for name, count in expected.items())
        assert json.loads(body_of(server, f"/signals/?{query}")) == expected


def test_without_threads_both_sides_are_on_the_loop() -> None:
    with running("hybrid_edges", "--threads", "0", cwd=EDGES) as server:
        for target, expected in (
            ("/sync/", "wsgi"),
            ("/async/", "asgi"),
            ("/forced/wsgi/", "wsgi"),
        ):
            answer, side = ask(server.port, target)
            assert (answer.status, side) == (200, expected)
        assert body_of(server, "/thread/sync/") == "MainThread"
        server.wait_for_output("as Django: WSGI on the event loop's thread, one request at a time")


def test_atomic_requests_are_for_sync_views_as_under_django() -> None:
    with running("hybrid_edges", cwd=EDGES, env={"HYBRID_ATOMIC": "1"}) as server:
        assert ask(server.port, "/sync/")[0].status == 200
        assert ask(server.port, "/async/")[0].status == 500
        assert ask(server.port, "/forced/wsgi/")[0].status == 500


@pytest.mark.parametrize(
    ("args", "env", "prefix", "sides"),
    [
        (("--root-path", "/below"), {}, "", {"sync": "wsgi", "async": "asgi"}),
        # The prefix that a proxy has left is taken off by WSGI alone.
        (("--root-path", "/below"), {}, "/below", {"sync": "wsgi", "async": "wsgi"}),
        (("--mount", "/below=hybrid_edges"), {}, "/below", {"sync": "wsgi", "async": "asgi"}),
        # Django's own: under ASGI, FORCE_SCRIPT_NAME is not in request.path.
        ((), {"HYBRID_SCRIPT": "/below"}, "", {"sync": "wsgi"}),
    ],
    ids=["stripped", "not stripped", "mounted", "forced"],
)
def test_below_a_path(
    args: tuple[str, ...], env: dict[str, str], prefix: str, sides: dict[str, str]
) -> None:
    target = "--no-access-log" if "--mount" in args else "hybrid_edges"
    with running(target, *args, cwd=EDGES, env=env) as server:
        for kind, expected in sides.items():
            answer, side = ask(server.port, f"{prefix}/facts/{kind}/")
            assert (answer.status, side) == (200, expected)
            facts = json.loads(answer.body)
            where = f"/below/facts/{kind}/"
            assert (facts["path"], facts["path_info"]) == (where, f"/facts/{kind}/")
            assert facts["uri"] == f"http://testserver{where}"


# WebSockets and lifespan


def test_websockets_go_to_the_asgi_application(edges: Server) -> None:
    with connect(f"ws://127.0.0.1:{edges.port}/sync/", proxy=None) as socket:
        socket.send("hello")
        assert socket.recv() == "started /sync/ hello"


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["hybrid_edges"], "/sync/"),
        (["--mount=/edges=hybrid_edges"], "/edges/sync/"),
        (["hybrid_edges.wsgi", "--websocket", "hybrid_edges"], "/sync/"),
    ],
    ids=["project", "mount", "websocket"],
)
def test_websockets_without_threads(arguments: list[str], path: str) -> None:
    """Such a WSGI side has no WebSockets; that is no answer for the ASGI side."""
    env = {"DJANGO_SETTINGS_MODULE": "hybrid_edges.settings"}
    with running(*arguments, "--threads", "0", cwd=EDGES, env=env) as server:
        assert ask(server.port, path)[0].status == 200
        with connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None) as socket:
            socket.send("hello")
            assert socket.recv() == f"started {path} hello"


def test_the_chat_of_the_example(polls: Server) -> None:
    page = body_of(polls, "/chat/")
    assert 'data-socket="/chat/socket/"' in page
    url = f"ws://127.0.0.1:{polls.port}/chat/socket/"
    origin = f"http://127.0.0.1:{polls.port}"
    with (
        connect(url, origin=origin, proxy=None) as one,
        connect(url, origin=origin, proxy=None) as two,
    ):
        one.send("hello over there")
        while json.loads(two.recv(timeout=10)).get("text") != "hello over there":
            pass


def test_without_an_asgi_application_handshakes_are_plain_requests_of_wsgi(tmp_path) -> None:
    site = tmp_path / "bare_site"
    site.mkdir()
    (site / "settings.py").write_text(
        "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'bare_site.urls'\n"
    )
    (site / "urls.py").write_text(
        "from django.http import HttpResponse\n"
        "from django.urls import path\n"
        "import bascule\n"
        "def talk(request):\n"
        "    socket = bascule.websocket(request)\n"
        "    socket.send(socket.receive().upper())\n"
        "    return HttpResponse()\n"
        "urlpatterns = [path('talk/', talk)]\n"
    )
    with running("bare_site", cwd=tmp_path) as server:
        assert "WebSockets by" not in server.wait_for_output("listening")
        with connect(f"ws://127.0.0.1:{server.port}/talk/", proxy=None) as socket:
            socket.send("hello")
            assert socket.recv() == "HELLO"
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{server.port}/nowhere/", proxy=None)


# Sessions, the ORM, and stopping


def test_a_session_is_one_on_both_sides(polls: Server) -> None:
    with httpx.Client(base_url=polls.base_url, trust_env=False, timeout=20) as browser:
        token = re.search(
            r'csrfmiddlewaretoken" value="(\w+)"', browser.get("/accounts/login/").text
        )
        assert token
        fields = {**DEMO, "csrfmiddlewaretoken": token[1]}
        assert browser.post("/accounts/login/", data=fields).status_code == 302
        assert "Log out demo" in browser.get("/").text
        assert browser.get("/admin/").status_code == 200
        # An async view behind the same middleware, with queries of its own.
        assert browser.get("/api/questions/1/").json()["choices"]
        with browser.stream("GET", "/questions/1/live/") as live:
            assert live.headers["content-type"] == "text/event-stream"
            assert any("event: results" in piece for piece in live.iter_text())


@pytest.mark.parametrize("protocol", [Http1Client, Http2SteppedClient])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_form_without_content_length_arrives(
    edges: Server, protocol: type[Any], kind: str
) -> None:
    """Chunked, or over HTTP/2, as Node sends it."""
    data = "&".join(f"field{number}=value+{number}" for number in range(1000)).encode()
    with closing(protocol(edges.port)) as client:
        fields = [("content-type", "application/x-www-form-urlencoded")]
        stream = client.open("POST", f"/upload/{kind}/", fields, more=True)
        stream.send(data[:7000])
        stream.send(data[7000:], end=True)
        received = json.loads(stream.response().body)["fields"]
        assert received == {f"field{number}": f"value {number}" for number in range(1000)}


@pytest.mark.parametrize("protocol", [Http1Client, Http2SteppedClient])
def test_head_of_an_endless_stream_takes_no_thread(edges: Server, protocol: type[Any]) -> None:
    """More of them than there are threads."""
    with closing(protocol(edges.port)) as client:
        for _ in range(5):
            response = client.request("HEAD", "/endless/sync/")
            assert (response.status, response.body) == (200, b"")
    assert body_of(edges, "/thread/sync/").startswith("bascule")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stop_finishes_what_is_in_flight_on_both_sides(kind: str) -> None:
    fields = [
        ("expect", "100-continue"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", "5"),
    ]
    with (
        running("hybrid_edges", cwd=EDGES) as server,
        closing(Http1Client(server.port)) as held,
        closing(WebSocketClient(server.port)) as talking,
    ):
        talking.shake_hands("/x")
        talking.send(text("hello"))
        talking.read_frame()
        stream = held.open("POST", f"/upload/{kind}/", fields, more=True)
        stream.interim()
        server.process.terminate()
        assert talking.read_close()[0] == 1012
        talking.send(close(1012))
        stream.send(b"a=b+c", end=True)
        response = stream.response()
        assert (response.status, b'"b c"' in response.body) == (200, True)
        assert server.wait() == 0
        assert "lifespan has ended" in server.output()
