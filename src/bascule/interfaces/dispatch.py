"""Several applications in one worker: each request goes to one of them, by its own interface.

Only the choice is between a request and its application: a WSGI application has its threads, an
ASGI application the loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.interfaces.answers import PLAIN_TEXT
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


class DispatchInterface(Interface):
    """Chooses among applications.

    routes: the mounted applications, in any order.
    websocket: gets the WebSocket handshakes that no mount point but "/" matches; None leaves them
        to that mount point.
    root_path: the prefix that a proxy in front may have left before each path.
    """

    __slots__ = ("interfaces", "root_path", "routes", "websocket")

    def __init__(
        self, routes: Sequence[MountedInterface], websocket: Interface | None, root_path: str = ""
    ) -> None:
        super().__init__()
        self.routes = sorted(routes, key=lambda route: route.point.precedence)
        self.websocket = websocket
        self.root_path = root_path
        self.interfaces = [route.interface for route in routes]
        if websocket is not None:
            self.interfaces.append(websocket)
        offers = [one.websockets for one in self.interfaces if one.websockets is not None]
        self.websockets = offers[0] if offers else None

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        interface = self.choose(request)
        if interface is None:
            return Unmounted(request, carrier)
        if (
            request.websocket is not None
            and interface.websockets is None
            and request.http_version == "2"
        ):
            return WithoutWebSockets(request, carrier)
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

    def count_running(self) -> int:
        return sum(one.count_running() for one in self.interfaces)

    def has_busy_threads(self) -> bool:
        return any(one.has_busy_threads() for one in self.interfaces)

    def count_switched(self) -> int:
        return sum(one.count_switched() for one in self.interfaces)

    def count_deserted(self) -> int:
        return sum(one.count_deserted() for one in self.interfaces)

    def calls(self) -> list[Exchange]:
        return [call for one in self.interfaces for call in one.calls()]

    def close(self) -> None:
        for one in self.interfaces:
            one.close()


def is_left_over(request: Request, point: MountPoint) -> bool:
    """Return whether this is a WebSocket handshake that no mount point has claimed by a path or a
    host."""
    return request.websocket is not None and not point.host and not point.prefix


class Unmounted(Exchange):
    """A request for a path where no application is mounted."""

    __slots__ = ()

    def start(self) -> None:
        self.carrier.respond(404, PLAIN_TEXT, NOTHING_HERE, True)

    def receive_body(self, data: bytes) -> None:
        """Drop a piece of the body: no application reads it."""

    def resume_writing(self) -> None:
        """Do nothing: the response is complete."""

    def wake_reader(self) -> None:
        """Do nothing: no reader waits."""


class WithoutWebSockets(Unmounted):
    """An extended CONNECT to an application that would see a plain request. Its status 200 would
    say that the WebSocket is open (RFC 8441 section 5); over HTTP/1.1 only 101 does."""

    __slots__ = ()

    def start(self) -> None:
        self.carrier.respond(404, PLAIN_TEXT, NO_WEBSOCKETS, True)
