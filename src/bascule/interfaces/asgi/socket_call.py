"""A call for a socket that does not speak HTTP: the part that TCP and UDP share.

The messages, and their order, are in tcp.py and udp.py.
"""

from bascule.interfaces.asgi.awaitables import ReceiveAwaitable
from bascule.interfaces.asgi.call import (
    ASGI_VERSION,
    AsgiCall,
    AsgiCaller,
    Extensions,
    mark_async,
)
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Carrier
from bascule.protocols.events import Request
from bascule.types import Scope


class SocketCall(AsgiCall):
    """One call of an ASGI application for a socket that does not speak HTTP.

    seconds: that the application has from the stopping message on.
    stop_due: the stopping message has not been received.
    in_place: the tasks that wait for a message may continue at once: this is a callback of a
        transport.
    """

    __slots__ = ("in_place", "seconds", "stop_due")

    def __init__(
        self, interface: AsgiCaller, carrier: Carrier, kind: str, address: str, seconds: float
    ) -> None:
        """kind, address: in the place of a request's method and target, for logs."""
        where = address.encode("ascii", "backslashreplace")
        self.interface = interface
        self.request = Request(kind, where, where, b"", "", [], 0, False, False)
        self.carrier = carrier
        self.body = []
        self.body_size = 0
        self.body_ended = False
        self.trailers = []
        self.disconnected = False
        self.finished_sending = False
        self.held = False
        self.arrived_at = 0.0
        self.waited = 0.0
        self.waiters = []
        self.task = None
        self.state = 0
        self.seconds = seconds
        self.stop_due = False
        self.in_place = False

    def start(self) -> None:
        """Call the application in a task of its own. As a WebSocket, it is no request under
        way."""
        self.interface.switched += 1
        AsgiCall.start(self)

    def note_return(self) -> None:
        """Forget the call: the application has returned."""
        self.interface.switched -= 1
        AsgiCall.note_return(self)

    def common_scope(self, kind: str, version: str, endpoint: Endpoint) -> Scope:
        """Return the part that the scopes of both share; the call adds the rest."""
        interface = self.interface
        offered: Extensions = {
            name: content
            for name, content in interface.websocket_extensions.items()
            if not name.startswith("websocket.")
        }
        scope: Scope = {
            "type": kind,
            "asgi": {"version": ASGI_VERSION, "spec_version": version},
            "server": endpoint.server,
            "extensions": interface.offer(offered),
        }
        if interface.state is not None:
            scope["state"] = interface.state.copy()
        return scope

    def receive(self) -> ReceiveAwaitable:
        """ASGI `receive`."""
        return ReceiveAwaitable(self)

    def wake_reader(self) -> None:
        """Resume the tasks that wait for a message; in place where the carrier allows it."""
        if not self.in_place:
            AsgiCall.wake_reader(self)
            return
        waiters = self.waiters
        if waiters:
            self.waiters = []
            # The tasks may wake others, and those must not be resumed inside of a task.
            self.in_place = False
            for wakeup in waiters:
                wakeup.wake_now()
            self.in_place = True


mark_async(SocketCall.receive)
