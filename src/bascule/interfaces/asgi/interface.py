"""The ASGI interface: makes the call that a request asks for."""

from bascule.interfaces.asgi.call import AsgiCaller
from bascule.interfaces.asgi.http import AsgiExchange
from bascule.interfaces.exchange import Carrier, Exchange
from bascule.protocols.events import Request


class AsgiInterface(AsgiCaller):
    """Calls one ASGI 3 application on the loop, for requests and for WebSockets."""

    __slots__ = ()

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        if request.websocket is not None and self.websockets is not None:
            # Imported lazily: many applications have no WebSockets.
            from bascule.interfaces.asgi.websocket import AsgiWebSocket

            return AsgiWebSocket(self, request, carrier, self.websockets.queue)
        return AsgiExchange(self, request, carrier)
