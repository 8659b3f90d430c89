"""Several applications in one worker: each request goes to one of them, by its own interface.

Only the choice is between a request and its application: a WSGI application has its threads, an
ASGI application the loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.interfaces.answers import PLAIN_TEXT, ServerResponse
from bascule.interfaces.composite import CompositeInterface
from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.mounting import MountPoint, host_of, path_below
from bascule.protocols.events import Request

NOTHING_HERE = b"no application is mounted here\n"
NO_WEBSOCKETS = b"this application has no WebSockets\n"


@dataclass(frozen=True, slots=True)
class MountedInterface:
    """A mount point and the interface of its application."""

    point: MountPoint
    interface: Interface


class DispatchInterface(CompositeInterface):
    """Chooses among applications.

    routes: the mounted applications, in any order.
    websocket: gets the WebSocket handshakes that no mount point but "/" matches; None leaves them
        to that mount point.
    root_path: the prefix that a proxy in front may have left before each path.
    """

    __slots__ = ("root_path", "routes", "websocket")

    def __init__(
        self, routes: Sequence[MountedInterface], websocket: Interface | None, root_path: str = ""
    ) -> None:
        interfaces = [route.interface for route in routes]
        if websocket is not None:
            interfaces.append(websocket)
        offers = (one.websockets for one in interfaces if one.websockets is not None)
        super().__init__(interfaces, next(offers, None))
        self.routes = sorted(routes, key=lambda route: route.point.precedence)
        self.websocket = websocket
        self.root_path = root_path

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        interface = self.choose(request)
        if interface is None:
            return ServerResponse(request, carrier, 404, PLAIN_TEXT, NOTHING_HERE)
        if (
            request.websocket is not None
            and interface.websockets is None
            and request.http_version == "2"
        ):
            # An extended CONNECT to an application that would see a plain request. Its status 200
            # would say that the WebSocket is open (RFC 8441 section 5); over HTTP/1.1 only 101
            # does.
            return ServerResponse(request, carrier, 404, PLAIN_TEXT, NO_WEBSOCKETS)
        return interface.exchange(request, carrier)

    def choose(self, request: Request) -> Interface | None:
        """Return the interface whose application the request is for."""
        path = path_below(request.path, request.root_path or self.root_path)
        host = next((value for name, value in request.fields if name == b"host"), b"")
        name = host_of(host.decode("latin-1"))
        for route in self.routes:
            if route.point.serves(name, path):
                if self.websocket is not None and is_left_over(request, route.point):
                    return self.websocket
                return route.interface
        if self.websocket is not None and request.websocket is not None:
            return self.websocket
        return None


def is_left_over(request: Request, point: MountPoint) -> bool:
    """Return whether this is a WebSocket handshake that no mount point has claimed by a path or a
    host."""
    return request.websocket is not None and not point.host and not point.prefix
