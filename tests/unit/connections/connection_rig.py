"""A hub with real connections on fake transports, and an ASGI application that the test plays."""

import io
import json
import re
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from bascule.connections.hub import TICK, Hub
from bascule.connections.negotiation import Negotiation
from bascule.connections.plan import ConnectionPlan, Deadlines, Observers
from bascule.interfaces.asgi.interface import AsgiInterface
from bascule.interfaces.asgi.plan import AsgiPlan
from bascule.interfaces.exchange import WebSocketPlan
from bascule.interfaces.wsgi.interface import WsgiInterface
from bascule.interfaces.wsgi.plan import WsgiPlan
from bascule.observability.access import AccessLog
from bascule.protocols.limits import RequestLimits
from support.transport import FakeLoop, FakeTransport

# The phases of a connection by the names that their modules give them.
from bascule.connections.http1 import (  # isort: skip
    BUSY as BUSY,
    FRESH as FRESH,
    HEAD as HEAD,
    IDLE as IDLE,
)
from bascule.connections.transport import (  # isort: skip
    CLOSED as CLOSED,
    CLOSING as CLOSING,
    LINGERING as LINGERING,
)


class Rig:
    """One worker's worth of connections.

    calls: the requests that reached the application, in order.
    warnings: those of the hub.
    accepting: False for each time that accepting was paused, True where it continued.
    """

    def __init__(
        self, wsgi: Any = None, threads: int = 2, queue_timeout: float = 0.0, **limits: Any
    ) -> None:
        wsgi_plan = WsgiPlan(threads, 10_000, 4 * 1024 * 1024, queue_timeout=queue_timeout)
        self.loop = FakeLoop()
        self.calls: list[Call] = []
        self.warnings: list[tuple[str, str]] = []
        self.interface: Any
        if wsgi is None:
            self.interface = AsgiInterface(
                self.application, self.loop, AsgiPlan(websockets=WebSocketPlan())
            )
        else:
            self.interface = WsgiInterface(wsgi, self.loop, wsgi_plan, warn=self.warn)
        self.accepting: list[bool] = []
        self.proxy_fields: Any = None
        self._plan = ConnectionPlan(limits=RequestLimits(**limits), http2=False)
        self._access = io.StringIO()
        self._observers = Observers(self.warn, AccessLog("json", stream=self._access))
        self._clients: list[FakeTransport] = []
        self.configure()

    def configure(self, **changes: Any) -> None:
        """Begin anew with changes of the plan, or of its deadlines, by their names."""
        assert not self._clients, "connections keep the plan that they began with"
        named = {field.name for field in fields(Deadlines)}
        deadlines = {name: changes.pop(name) for name in named & changes.keys()}
        changes["deadlines"] = replace(self._plan.deadlines, **deadlines)
        self._plan = replace(self._plan, **changes)
        self.hub = Hub(
            self.loop,
            self.interface,
            self._plan,
            self._observers,
            self.accepting.append,
            self.proxy_fields,
        )

    def call(self, interface: Any) -> None:
        """Have another interface called."""
        self.interface = interface
        self.configure()

    def judge_proxies(self, proxy_fields: Any) -> None:
        """Have the fields of proxies judged."""
        self.proxy_fields = proxy_fields
        self.configure()

    def warn(self, kind: str, text: str) -> None:
        self.warnings.append((kind, text))

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        call = Call(self.loop, scope, receive, send)
        self.calls.append(call)
        await call.ended

    def connect(self, **options: Any) -> FakeTransport:
        client = FakeTransport(self.loop, **options)
        self._clients.append(client)
        client.connect(Negotiation(self.hub))
        return client

    def pass_time(self, seconds: float) -> None:
        """Let the clock run, with a tick wherever a worker has one."""
        for _ in range(round(seconds / TICK)):
            self.loop.now += TICK
            self.loop.run_soon(self.hub.tick)

    def stand_still(self, seconds: float) -> None:
        """The loop is blocked, or the process held, for so long: not a tick, and nothing is read.
        Then it continues."""
        self.loop.now += seconds
        self.loop.run_soon(self.hub.tick)

    def drain(self) -> None:
        self.loop.run_soon(self.hub.drain)

    @property
    def access_lines(self) -> list[tuple[str, str, int]]:
        """(method, target, status) of each line of the access log."""
        self.hub.access.flush()
        lines = map(json.loads, self._access.getvalue().splitlines())
        return [(line["method"], line["target"], line["status"]) for line in lines]

    def assert_nothing_left(self) -> None:
        """No connection, no call of the application, no complaint of the loop."""
        self.loop.settle()
        assert self.loop.errors == []
        assert self.hub.connections == set()
        assert self.interface.running == 0
        assert self.hub.quiet

    def close(self) -> None:
        """End everything; what the application still does is cancelled."""
        pool = getattr(self.interface, "pool", None)
        threads = list(pool.threads) if pool else []
        self.interface.close()
        self.hub.abort()
        self.loop.settle()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive(), "a thread of the application never came back"
        self.loop.settle()
        self.loop.close()
        assert self.loop.errors == []


class Call:
    """One call of the application; the test does what an application does."""

    def __init__(self, loop: FakeLoop, scope: Any, receive: Any, send: Any) -> None:
        self.loop = loop
        self.scope = scope
        self.ended = loop.create_future()
        self._receive = receive
        self._send = send

    @property
    def path(self) -> str:
        return self.scope["path"]

    def receive(self) -> Any:
        """A task that is done when there is a message."""
        return self._begin(self._receive)

    def send(self, message: dict[str, Any]) -> Any:
        """A task that is done when the server takes more; it holds what `send` raised."""
        return self._begin(self._send, message)

    def send_soon(self, message: dict[str, Any]) -> Any:
        """The same, in the next turn of the loop, which the caller lets run."""
        return self._prepare(self._send, message)

    def start(self, *headers: tuple[bytes, bytes], status: int = 200) -> None:
        self.send({"type": "http.response.start", "status": status, "headers": headers}).result()

    def body(self, data: bytes, more: bool = True) -> Any:
        return self.send({"type": "http.response.body", "body": data, "more_body": more})

    def respond(self, data: bytes = b"ok", *headers: tuple[bytes, bytes]) -> None:
        """A whole response, and the end of the call."""
        self.start(*headers)
        self.body(data, more=False).result()
        self.end()

    def end(self) -> None:
        self.ended.set_result(None)
        self.loop.settle()

    def fail(self, error: BaseException) -> None:
        self.ended.set_exception(error)
        self.loop.settle()

    def _begin(self, function: Any, *args: object) -> Any:
        task = self._prepare(function, *args)
        self.loop.settle()
        return task

    def _prepare(self, function: Any, *args: object) -> Any:
        async def step() -> Any:
            return await function(*args)

        task = self.loop.create_task(step())
        # An exception that no test asks for is no complaint of the loop.
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return task


def request(path: str = "/", *lines: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A request as it goes on the wire."""
    head = [f"{method} {path} HTTP/1.1", "Host: test", *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


def statuses(client: FakeTransport) -> list[int]:
    """The status of every response that the client has seen the head of."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", client.received)]


def bodies(client: FakeTransport, words: Iterable[bytes]) -> list[bytes]:
    """Those of `words` that the client received, in the order it received them."""
    found = [word for word in words if word in client.received]
    return sorted(found, key=client.received.index)


class Answering:
    """A rig whose application answers at once, without a turn of the loop in between."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.calls = 0
        self.answer = b"ok"

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": self.answer})

    def wsgi(self, environ: Any, start_response: Any) -> list[bytes]:
        self.calls += 1
        start_response("200 OK", [])
        return [self.answer]

    def turns(self) -> list[int]:
        """How many calls there were in each turn of the loop, until it rests."""
        counts = []
        while not self.rig.loop.is_at_rest:
            before = self.calls
            self.rig.loop.turn()
            counts.append(self.calls - before)
        return counts
