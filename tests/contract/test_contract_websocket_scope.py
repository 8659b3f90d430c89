"""The WebSocket connection scope (ASGI WebSocket specification 2.5)."""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest
from websocket_apps import accept, close

from support.asgi import mutable_parts
from support.certificates import Certificates
from support.flag import DEADLINE
from support.inprocess import Served
from support.websocket_client import KEY

Serve = Callable[..., Served]


class ScopeApp:
    """Keeps scopes; refuses the handshake."""

    def __init__(self) -> None:
        self.scopes: SimpleQueue[dict[str, Any]] = SimpleQueue()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["shared"] = []
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.scopes.put(scope)
        await receive()
        await close(send)

    def next(self) -> dict[str, Any]:
        return self.scopes.get(timeout=DEADLINE)


def scope_of(serve_sockets: Serve, *ask: Any, **options: Any) -> dict[str, Any]:
    application = ScopeApp()
    client = serve_sockets(application, **options).connect()
    client.ask(*ask)
    assert client.read_response().status == 403
    return application.next()


def test_what_is_always_there(serve_sockets: Serve) -> None:
    application = ScopeApp()
    served = serve_sockets(application)
    client = served.connect()
    client.ask("/caf%C3%A9/a%2Fb?x=%20&y")
    assert client.read_response().status == 403
    scope = application.next()
    fields = scope.pop("headers")
    if client.http_version == "1.1":
        assert (b"sec-websocket-key", KEY.encode()) in [tuple(field) for field in fields]
    assert tuple(scope.pop("client")) == client.address
    assert tuple(scope.pop("server")) == ("127.0.0.1", served.port)
    assert set(scope["extensions"].pop("bascule.stopping")) == {"is_set", "wait", "event"}
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": client.http_version,
        "scheme": "ws",
        "path": "/café/a/b",
        "raw_path": b"/caf%C3%A9/a%2Fb",
        "query_string": b"x=%20&y",
        "root_path": "",
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }


def test_root_path(serve_sockets: Serve) -> None:
    scope = scope_of(serve_sockets, "/chat", root_path="/api")
    assert (scope["root_path"], scope["path"]) == ("/api", "/api/chat")
    assert scope["raw_path"] == b"/chat"


def test_headers_in_order_with_small_names(serve_sockets: Serve) -> None:
    sent = [("X-One", "1"), ("Cookie", "a=b"), ("X-ONE", "2"), ("Origin", "http://example.com")]
    fields = [tuple(field) for field in scope_of(serve_sockets, "/", sent)["headers"]]
    assert fields[-4:] == [
        (b"x-one", b"1"),
        (b"cookie", b"a=b"),
        (b"x-one", b"2"),
        (b"origin", b"http://example.com"),
    ]


@pytest.mark.parametrize(
    "values",
    [["chat, superchat", "v2.bin"], ["chat,superchat,v2.bin"], ["chat", "superchat", ",v2.bin,"]],
)
def test_subprotocols_in_the_clients_order(serve_sockets: Serve, values: list[str]) -> None:
    headers = [("Sec-WebSocket-Protocol", value) for value in values]
    scope = scope_of(serve_sockets, "/", headers)
    assert list(scope["subprotocols"]) == ["chat", "superchat", "v2.bin"]


def test_scopes_share_nothing_but_what_the_state_holds(serve_sockets: Serve) -> None:
    application = ScopeApp()
    served = serve_sockets(application, lifespan="on")
    scopes = []
    for _ in range(2):
        client = served.connect()
        client.ask("/", [("Sec-WebSocket-Protocol", "a")])
        assert client.read_response().status == 403
        scopes.append(application.next())
    states = [scope.pop("state") for scope in scopes]
    assert states[0] == states[1] == {"shared": []}
    assert states[0] is not states[1]
    assert states[0]["shared"] is states[1]["shared"]
    assert mutable_parts(scopes[0]).keys() & mutable_parts(scopes[1]).keys() == set()


def test_no_state_without_lifespan(serve_sockets: Serve) -> None:
    assert "state" not in scope_of(serve_sockets)


def test_tls(serve_sockets: Serve, certificates: Certificates) -> None:
    scope = scope_of(
        serve_sockets,
        tls=certificates.context(with_client=True),
        ssl_ca_certs=certificates.ca_certs,
        ssl_cert_reqs="required",
        **certificates.settings,
    )
    assert scope["scheme"] == "wss"
    assert scope["extensions"].keys() == {"websocket.http.response", "bascule.stopping", "tls"}
    tls = scope["extensions"]["tls"]
    assert tls["server_cert"].strip() == certificates.server_pem.strip()
    assert tls["tls_version"] == 0x0304
    assert tls["client_cert_name"] is not None


def test_each_call_is_a_task_of_its_own_with_its_own_context(serve_sockets: Serve) -> None:
    tasks: SimpleQueue[Any] = SimpleQueue()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        tasks.put(asyncio.current_task())
        await accept(send)
        tasks.put(asyncio.current_task())

    served = serve_sockets(application)
    for _ in range(2):
        client = served.connect()
        client.shake_hands()
        client.read_close()
        client.close()
    seen = [tasks.get(timeout=DEADLINE) for _ in range(4)]
    assert seen[0] is seen[1]
    assert seen[2] is seen[3]
    assert seen[0] is not seen[2]


def test_without_websockets_a_handshake_is_a_plain_request(serve_sockets: Serve) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    client = serve_sockets(application, ws="none").connect()
    for _ in range(2):
        client.ask("/plain")
        assert client.read_response().body == b"/plain"
    # Nor is a wrong one anything to the server.
    client.send(
        b"GET /wrong HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert client.read_response().body == b"/wrong"
