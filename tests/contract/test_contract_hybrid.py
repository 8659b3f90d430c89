"""A project with two sides, without a framework: each request is one exchange of one side."""

import json
import threading

import pytest
from websockets.sync.client import connect

from bascule.errors import UsageError
from bascule.interfaces.hybrid import Hybrid
from bascule.mounting import parse_mount_point
from bascule.settings import Settings
from bascule.worker.applications import ApplicationSource
from support.flag import Flag
from support.websocket_client import KEY

BOTH = {"interface": "auto", "lifespan": "auto"}


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    facts = {
        "side": "wsgi",
        "path": environ["PATH_INFO"],
        "root": environ["SCRIPT_NAME"],
        "beside": environ.get("bascule.hybrid"),
        "thread": threading.current_thread().name,
    }
    return [json.dumps(facts).encode()]


class Asgi:
    """Answers requests and WebSockets with what it was asked; keeps its lifespan's phases."""

    def __init__(self, name="asgi"):
        self.name = name
        self.phases = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                self.phases.append(phase)
                scope["state"]["from"] = self.name
                await send({"type": f"lifespan.{phase}.complete"})
            return
        facts = {
            "side": self.name,
            "path": scope["path"],
            "root": scope["root_path"],
            "state": scope.get("state"),
            "thread": threading.current_thread().name,
        }
        text = json.dumps(facts)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": text})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text.encode()})


def hybrid(**more):
    parts = {
        "name": "shop",
        "framework": "Tests",
        "wsgi": wsgi,
        "asgi": Asgi(),
        "websocket": Asgi("websocket"),
        "websocket_target": "shop.asgi",
        "belongs_to_loop": lambda path: path.startswith("/loop"),
    }
    return Hybrid(**{**parts, **more})


def asked(served, path):
    return json.loads(served.request("GET", path).body)


def test_each_request_goes_to_its_side(serve):
    served = serve(hybrid(), **BOTH)
    loop, thread = asked(served, "/loop/x"), asked(served, "/x")
    assert (loop["side"], loop["path"], loop["thread"]) == (
        "asgi",
        "/loop/x",
        "served application",
    )
    assert (thread["side"], thread["path"], thread["beside"]) == ("wsgi", "/x", True)
    assert thread["thread"].startswith("bascule")


def test_one_connection_has_both(serve):
    client = serve(hybrid(), **BOTH).connect()
    sides = [
        json.loads(client.request("GET", path).body)["side"] for path in ("/loop", "/", "/loop")
    ]
    assert sides == ["asgi", "wsgi", "asgi"]


def test_the_path_is_decoded_before_it_is_judged(serve):
    served = serve(hybrid(belongs_to_loop=lambda path: path == "/é +"), **BOTH)
    assert asked(served, "/%C3%A9%20+")["side"] == "asgi"
    assert asked(served, "/%C3%A9+")["side"] == "wsgi"


def test_the_lifespan_is_that_of_the_websockets_and_its_state_is_for_all(serve):
    app = hybrid()
    served = serve(app, **BOTH)
    assert asked(served, "/loop")["state"] == {"from": "websocket"}
    with connect(f"ws://127.0.0.1:{served.port}/x", proxy=None) as socket:
        heard = json.loads(socket.recv())
    assert (heard["side"], heard["state"]) == ("websocket", {"from": "websocket"})
    served.close()
    assert (app.websocket.phases, app.asgi.phases) == (["startup", "shutdown"], [])


def test_without_an_application_for_websockets_they_are_those_of_wsgi(serve):
    app = hybrid(websocket=None, belongs_to_loop=lambda path: True)
    served = serve(app, **BOTH)
    with pytest.raises(Exception, match="200"):
        connect(f"ws://127.0.0.1:{served.port}/loop", proxy=None)
    served.close()
    assert app.asgi.phases == ["startup", "shutdown"]


def test_without_websockets_a_handshake_is_a_request_like_others(serve):
    served = serve(hybrid(), ws="none", **BOTH)
    handshake = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ]
    client = served.connect()
    assert json.loads(client.request("GET", "/loop", handshake).body)["side"] == "asgi"
    assert json.loads(client.request("GET", "/", handshake).body)["side"] == "wsgi"


def test_below_a_root_path(serve):
    served = serve(hybrid(), root_path="/below", **BOTH)
    loop, thread = asked(served, "/loop"), asked(served, "/x")
    assert (loop["side"], loop["root"], loop["path"]) == ("asgi", "/below", "/below/loop")
    assert (thread["side"], thread["root"], thread["path"]) == ("wsgi", "/below", "/x")


def test_a_root_path_that_a_proxy_has_left(serve):
    """ASGI would have it twice; WSGI takes it off."""
    served = serve(hybrid(), root_path="/below", **BOTH)
    found = asked(served, "/below/loop")
    assert (found["side"], found["root"], found["path"]) == ("wsgi", "/below", "/loop")


def test_mounted_beside_another():
    named = {"shop.project": hybrid(), "site": wsgi}
    source = ApplicationSource(load=lambda target, factory, settings: named[target])
    found = source.find(Settings(target="site", mount=["/shop=shop.project"]))
    assert [(one.interface, one.target, one.place) for one in found] == [
        ("wsgi", "site", ""),
        ("hybrid", "shop.project", "at /shop"),
    ]


def test_both_sides_count_as_running(serve):
    arrived, go = Flag(), Flag()

    def waits(environ, start_response):
        arrived.set()
        go.wait()
        start_response("200 OK", [])
        return [b"late"]

    served = serve(hybrid(wsgi=waits), **BOTH)
    stream = served.connect().open("GET", "/")
    arrived.wait()
    assert served.hub.interface.count_running() == 1
    assert served.hub.interface.count_switched() == 0
    go.set()
    assert stream.response().body == b"late"
    served.wait_until_idle()


@pytest.mark.parametrize(
    ("interface", "expected"), [("auto", "hybrid"), ("wsgi", "wsgi"), ("asgi3", "asgi3")]
)
def test_one_side_alone(interface, expected):
    app = hybrid()
    found = app.as_application(interface, "shop", parse_mount_point("/"))
    callables = {"hybrid": app, "wsgi": wsgi, "asgi3": app.websocket}
    assert (found.interface, found.app) == (expected, callables[expected])


def test_a_side_that_there_is_not():
    with pytest.raises(UsageError, match="shop is a Tests project, which has no asgi2 side"):
        hybrid().as_application("asgi2", "", parse_mount_point("/"))


def test_for_websockets_alone_it_is_its_asgi_application():
    app = hybrid()
    found = app.as_application("auto", "shop", None)
    assert (found.app, found.interface, found.place) == (app.websocket, "asgi3", "for WebSockets")
