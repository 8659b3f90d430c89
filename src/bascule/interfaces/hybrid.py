"""One project with two sides: each request goes to the side that its view belongs to.

A framework that can be called by both interfaces describes its project as a `Hybrid`. This module
does not know which framework that is, nor how it finds the view of a path.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bascule.errors import UsageError
from bascule.interfaces.composite import CompositeInterface
from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.loading.application import HYBRID, Application, StaticSite
from bascule.mounting import MountPoint, path_below
from bascule.protocols.events import Request
from bascule.types import ASGI3App, WSGIApp


@dataclass(frozen=True, slots=True)
class Hybrid:
    """A project that can be called by both interfaces.

    name: the name of the project, for people.
    framework: the name of the framework, for people.
    wsgi, asgi: the applications for requests.
    websocket: the application for WebSocket handshakes and for lifespan; None leaves handshakes to
        the WSGI side, and lifespan to `asgi`.
    websocket_target: the target that named this application.
    belongs_to_loop: returns whether the request for a path belongs to the ASGI side. The path is
        decoded, and below the root. Called on the loop for each request; must not raise.
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
        """Return the application that has the lifespan."""
        return self.asgi if self.websocket is None else self.websocket

    def as_application(self, interface: str, target: str, point: MountPoint | None) -> Application:
        """Return the application that a worker serves: both sides for "auto", else the one side
        that the setting names."""
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


class HybridInterface(CompositeInterface):
    """Chooses the side of each request.

    wsgi, asgi: the sides.
    websocket: the interface for WebSocket handshakes; None leaves them to `wsgi`.
    belongs_to_loop: as in `Hybrid`.
    root_path: the prefix that a proxy in front may have left before each path.
    mounted: the path at which the project is mounted, below the root.
    """

    __slots__ = (
        "asgi",
        "belongs_to_loop",
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
        # The setting of the other side is irrelevant: with --threads 0, WSGI has no WebSockets.
        sides = (wsgi, asgi) if websocket is None else (wsgi, asgi, websocket)
        super().__init__(sides, (wsgi if websocket is None else websocket).websockets)
        self.wsgi = wsgi
        self.asgi = asgi
        self.websocket = websocket
        self.belongs_to_loop = belongs_to_loop
        self.root_path = root_path
        self.mounted = mounted

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        if request.websocket is not None and self.websockets is not None:
            side = self.wsgi if self.websocket is None else self.websocket
            return side.exchange(request, carrier)
        path = path_below(request.path, "")
        root = request.root_path or self.root_path
        if root and path_below(request.path, root) != path:
            # A proxy has left its prefix in the path. The WSGI side removes it; the path of an
            # ASGI scope, which includes the root path anyway, would have it twice.
            return self.wsgi.exchange(request, carrier)
        if self.mounted:
            path = path.removeprefix(self.mounted)
        side = self.asgi if self.belongs_to_loop(path) else self.wsgi
        return side.exchange(request, carrier)
