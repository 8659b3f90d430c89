"""Several applications in one server: each request reaches its own, by its own interface."""

import json
import threading

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from bascule.errors import UsageError
from support.http2_stepped import Http2SteppedClient
from support.http2_websocket import raw_websocket

BOTH = {"interface": "auto"}


def wsgi(name):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        facts = {
            "app": name,
            "interface": "wsgi",
            "root": environ["SCRIPT_NAME"],
            "path": environ["PATH_INFO"],
            "thread": threading.current_thread().name,
        }
        return [json.dumps(facts).encode()]

    return application


class Asgi:
    """Answers with what it was asked; its lifespan leaves its name in the state."""

    def __init__(self, name):
        self.name = name
        self.phases = []

    async def __call__(self, scope, receive, send):
        await getattr(self, scope["type"])(scope, receive, send)

    async def lifespan(self, scope, receive, send):
        for phase in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{phase}"
            self.phases.append(phase)
            scope["state"]["name"] = self.name
            await send({"type": f"lifespan.{phase}.complete"})

    async def http(self, scope, receive, send):
        facts = self.facts(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(facts).encode()})

    async def websocket(self, scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(self.facts(scope))})

    def facts(self, scope):
        return {
            "app": self.name,
            "interface": "asgi",
            "root": scope["root_path"],
            "path": scope["path"],
            "state": scope["state"]["name"],
            "thread": threading.current_thread().name,
        }


@pytest.fixture
def serve_mounts(served):
    def start(app=None, **options):
        return served(app, **{"interface": "auto", **options}).start()

    return start


def ask(server, path, host="any.example", status=200):
    response = server.request("GET", path, [("Host", host)])
    assert response.status == status
    return json.loads(response.body) if status == 200 else response.body


def talk(server, path):
    with connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None) as client:
        return json.loads(client.recv(10))


def test_each_keeps_its_own_interface(serve_mounts):
    server = serve_mounts(wsgi("site"), mounts={"/api": Asgi("api")})
    site, api = ask(server, "/page"), ask(server, "/api/items")
    assert (site["app"], site["root"], site["path"]) == ("site", "", "/page")
    assert site["thread"].startswith("bascule-")
    assert (api["app"], api["root"], api["path"]) == ("api", "/api", "/api/items")
    assert api["thread"] == "served application"


def test_a_wsgi_application_sees_where_it_is_mounted(serve_mounts):
    server = serve_mounts(Asgi("site"), mounts={"/shop": wsgi("shop")})
    for target, path in (("/shop", ""), ("/shop/", "/"), ("/shop/a%20b", "/a b")):
        facts = ask(server, target)
        assert (facts["app"], facts["root"], facts["path"]) == ("shop", "/shop", path)
    assert ask(server, "/shopping")["app"] == "site"


def test_a_path_that_is_encoded_otherwise_is_the_same_path(serve_mounts):
    server = serve_mounts(wsgi("site"), mounts={"/api": Asgi("api"), "/ü": wsgi("umlaut")})
    assert ask(server, "/%61pi/x")["path"] == "/api/x"
    umlaut = ask(server, "/%C3%BC/x")
    assert (umlaut["app"], umlaut["path"]) == ("umlaut", "/x")
    assert umlaut["root"].encode("latin-1").decode() == "/ü"


def test_hosts(serve_mounts):
    mounts = {
        "a.example": Asgi("a"),
        "*.b.example": Asgi("b"),
        "a.example/x": wsgi("x"),
    }
    server = serve_mounts(wsgi("rest"), mounts=mounts)
    cases = {
        ("A.Example:8000", "/"): "a",
        ("a.example", "/x/y"): "x",
        ("c.b.example", "/x"): "b",
        ("b.example", "/"): "rest",
        ("127.0.0.1", "/"): "rest",
    }
    for (host, path), name in cases.items():
        assert ask(server, path, host)["app"] == name


def test_without_an_application_for_the_rest_there_is_404(serve_mounts):
    server = serve_mounts(mounts={"/api": Asgi("api")})
    assert ask(server, "/api")["app"] == "api"
    assert b"no application is mounted here" in ask(server, "/", status=404)
    client = server.connect()
    assert client.request("POST", "/nowhere", [], b"a body").status == 404
    assert client.request("GET", "/api/again").status == 200


def test_websockets_beside_an_application_without(serve_mounts):
    chat = Asgi("chat")
    server = serve_mounts(wsgi("site"), mounts={"/api": Asgi("api")}, websocket=chat)
    assert ask(server, "/room")["app"] == "site"
    facts = talk(server, "/room")
    assert (facts["app"], facts["path"], facts["state"]) == ("chat", "/room", "chat")
    assert talk(server, "/api/live")["app"] == "api"


def test_a_handshake_for_an_application_without_websockets(serve_mounts):
    server = serve_mounts(Asgi("site"), mounts={"/shop": wsgi("shop")}, threads=0)
    socket = raw_websocket(server, "/shop/")
    response = socket.response()
    socket.close()
    # Over HTTP/2, 200 would be the answer that accepts.
    is_http2 = server.protocol is Http2SteppedClient
    assert response.status == (404 if is_http2 else 200)
    assert ask(server, "/shop/")["app"] == "shop"
    assert talk(server, "/live")["app"] == "site"


def test_a_websocket_where_nothing_is_mounted(serve_mounts):
    server = serve_mounts(mounts={"/api": Asgi("api")})
    with pytest.raises(InvalidStatus, match="404"):
        talk(server, "/elsewhere")


def test_every_asgi_application_has_its_lifespan_once(served):
    first, second = Asgi("first"), Asgi("second")
    mounts = {"/second": second, "/again": first}
    server = served(first, interface="auto", mounts=mounts).start()
    assert ask(server, "/")["state"] == ask(server, "/again")["state"] == "first"
    assert ask(server, "/second")["state"] == "second"
    server.close()
    assert first.phases == second.phases == ["startup", "shutdown"]


def test_the_root_path_stands_before_the_mount(serve_mounts):
    mounts = {"/api": Asgi("api"), "/w": wsgi("w")}
    server = serve_mounts(wsgi("site"), mounts=mounts, root_path="/root")
    api = ask(server, "/api/x")
    assert (api["root"], api["path"]) == ("/root/api", "/root/api/x")
    for target in ("/w/x", "/root/w/x"):
        facts = ask(server, target)
        assert (facts["app"], facts["root"], facts["path"]) == ("w", "/root/w", "/x")


def test_wsgi_applications_share_their_threads(serve_mounts):
    mounts = {f"/{name}": wsgi(name) for name in "abcdef"}
    server = serve_mounts(wsgi("site"), mounts=mounts, threads=1)
    names = {ask(server, where)["thread"] for where in ("/", *mounts)}
    assert names == {"bascule-1"}


def test_requests_of_all_applications_count_for_the_limit(serve_mounts):
    async def waiting(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    mounts = {"/wait": waiting}
    server = serve_mounts(wsgi("site"), mounts=mounts, limit_concurrency=1, lifespan="off")
    client = server.connect()
    assert client.open("GET", "/wait").head().status == 200
    assert server.request("GET", "/").status == 503
    client.close()
    server.wait_until_idle()
    assert ask(server, "/")["app"] == "site"
    assert "more than 1 requests at once" in server.taken_log()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"mounts": {"/a": Asgi("a"), "/a/": Asgi("b")}}, "two applications are mounted at /a"),
        ({"mounts": {"/": Asgi("a")}, "app": Asgi("b")}, "two applications are mounted at /"),
        ({"mounts": {"a b": Asgi("a")}}, "not a host"),
        ({"websocket": Asgi("a")}, "no TARGET"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(options, complaint):
    from bascule import Server

    with pytest.raises(UsageError, match=complaint):
        Server(options.pop("app", None), **options)
