"""The WSGI interface: makes the call that a request asks for."""

from asyncio import AbstractEventLoop
from collections.abc import Callable

from bascule.interfaces.exchange import Carrier, Exchange
from bascule.interfaces.stopping import Stopping
from bascule.interfaces.wsgi.call import WsgiCaller, log_warning
from bascule.interfaces.wsgi.inline import InlineExchange, InlineQueue
from bascule.interfaces.wsgi.plan import WsgiPlan
from bascule.interfaces.wsgi.threaded import ThreadedExchange
from bascule.protocols.events import Request
from bascule.types import WSGIApp


class WsgiInterface(WsgiCaller):
    """Calls one WSGI application: in threads, or on the loop without any.

    queue: the order of the calls on the loop, where there are no threads.
    """

    __slots__ = ("queue",)

    def __init__(
        self,
        app: WSGIApp,
        loop: AbstractEventLoop,
        plan: WsgiPlan,
        stopping: Stopping | None = None,
        warn: Callable[[str, str], None] = log_warning,
        mounted: str = "",
        beside: WsgiCaller | None = None,
    ) -> None:
        super().__init__(app, loop, plan, stopping, warn, mounted, beside)
        self.queue = InlineQueue() if self.pool is None else None

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        queue = self.queue
        if queue is not None:
            return InlineExchange(self, request, carrier, queue)
        if request.websocket is not None and self.websockets is not None:
            # Imported lazily: many applications have no WebSockets.
            from bascule.interfaces.wsgi.websocket import WebSocketCall

            return WebSocketCall(self, request, carrier)
        return ThreadedExchange(self, request, carrier)

    def calls(self) -> list[Exchange]:
        queue = self.queue
        return WsgiCaller.calls(self) if queue is None else queue.calls()
