"""One project with two sides: each request goes to the side that its view belongs to.

A framework that can be called by both interfaces describes its project as a `Hybrid`. Which
framework that is, and how it tells a view from its path, is not known here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bascule.errors import UsageError
from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.loading.application import HYBRID, Application, StaticSite
from bascule.mounting import MountPoint, path_below
from bascule.protocols.events import Request
from bascule.types import ASGI3App, WSGIApp


@dataclass(frozen=True, slots=True)
class Hybrid:
    """A project that can be called by both interfaces.

    framework: its name, for people. wsgi, asgi: for requests. websocket: for WebSocket handshakes
    and for lifespan; None leaves handshakes to the WSGI side, and lifespan to `asgi`.
    websocket_target: what that one was named by. belongs_to_loop: whether the request for a path
    is the ASGI side's; the path is decoded, and below the root. It is called on the loop for each
    request, and must not raise. name: of the project, for people.
    """

    name: str
    framework: str
    wsgi: WSGIApp
    asgi: ASGI3App
    websocket: ASGI3App | None
    websocket_target: str
    belongs_to_loop: Callable[[str], bool]
    static: StaticSite | None = None

    @property
    def lasting(self) -> ASGI3App:
        """The application that has the lifespan."""
        return self.asgi if self.websocket is None else self.websocket

    def as_application(self, interface: str, target: str, point: MountPoint | None) -> Application:
        """What a worker serves: both sides for "auto", else the one that is asked for."""
        name = target or self.name
        if point is None:
            return Application(self.lasting, "asgi3", name, None)
        if interface == "auto":
            return Application(self, HYBRID, name, point, self.static)
        if interface == "wsgi":
            return Application(self.wsgi, "wsgi", name, point, self.static)
        if interface == "asgi3":
            return Application(self.lasting, "asgi3", name, point, self.static)
        raise UsageError(
            f"{name} is a {self.framework} project, which has no {interface} side.\n"
            "Leave --interface out for both sides, or give wsgi or asgi3 for one of them"
        )


class HybridInterface(Interface):
    """Chooses the side of each request.

    wsgi, asgi: the sides. websocket: for WebSocket handshakes; None leaves them to `wsgi`.
    belongs_to_loop: as of `Hybrid`. root_path: what a proxy in front may have left before each
    path. mounted: the path at which the project is, below that.
    """

    __slots__ = (
        "asgi",
        "belongs_to_loop",
        "interfaces",
        "mounted",
        "root_path",
        "websocket",
        "wsgi",
    )

    def __init__(
        self,
        wsgi: Interface,
        asgi: Interface,
        websocket: Interface | None,
        belongs_to_loop: Callable[[str], bool],
        root_path: str = "",
        mounted: str = "",
    ) -> None:
        # The other side's answer counts for nothing: with --threads 0, WSGI has none.
        super().__init__((wsgi if websocket is None else websocket).websockets)
        self.wsgi = wsgi
        self.asgi = asgi
        self.websocket = websocket
        self.belongs_to_loop = belongs_to_loop
        self.root_path = root_path
        self.mounted = mounted
        self.interfaces = [wsgi, asgi, *([] if websocket is None else [websocket])]

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        if request.websocket is not None and self.websockets is not None:
            side = self.wsgi if self.websocket is None else self.websocket
            return side.exchange(request, carrier)
        path = path_below(request.path, "")
        root = request.root_path or self.root_path
        if root and path_below(request.path, root) != path:
            # A proxy has left its prefix there. WSGI's environ takes it off; ASGI's path, which
            # has the root path anyway, would have it twice.
            return self.wsgi.exchange(request, carrier)
        if self.mounted:
            path = path.removeprefix(self.mounted)
        side = self.asgi if self.belongs_to_loop(path) else self.wsgi
        return side.exchange(request, carrier)

    def count_running(self) -> int:
        return sum([one.count_running() for one in self.interfaces])

    def has_busy_threads(self) -> bool:
        return self.wsgi.has_busy_threads()

    def count_switched(self) -> int:
        return sum([one.count_switched() for one in self.interfaces])

    def count_deserted(self) -> int:
        return sum([one.count_deserted() for one in self.interfaces])

    def calls(self) -> list[Exchange]:
        return [call for one in self.interfaces for call in one.calls()]

    def close(self) -> None:
        for one in self.interfaces:
            one.close()
