"""An ASGI application that runs a WSGI application in threads.

    WSGIToASGI    the application that the server calls

One request is a `ThreadedCall`, a WebSocket a `WebSocketThreadedCall` (websocket_for_wsgi).
"""

import weakref
from asyncio import AbstractEventLoop, get_running_loop

from bascule.adapters.threaded_call import Places, ThreadedCall, WSGIPlan
from bascule.interfaces.wsgi.pool import ThreadPool
from bascule.types import Receive, Scope, Send, WSGIApp

# WebSockets keep a thread each for as long as they last, so they have threads of their own. As
# many as the server has by default.
WEBSOCKET_THREADS = 64


class WSGIToASGI:
    """Runs the WSGI application `app` as an ASGI 3 application, in `threads` threads at most.

        application = SomeASGIMiddleware(WSGIToASGI(wsgi_application))

    websocket_threads: the number of WebSockets at the same time, besides; more get 503.

    Exceptions of the application reach the server: before the response has begun it answers 500,
    after that it aborts the response.
    """

    def __init__(
        self, app: WSGIApp, threads: int = 8, *, websocket_threads: int = WEBSOCKET_THREADS
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}: a WSGI application needs one at least")
        self.plan = WSGIPlan(app, threads)
        self.websockets = Places(websocket_threads)
        # By loop: a test may use one after another, a program several side by side.
        self._pools: dict[AbstractEventLoop, tuple[ThreadPool, ThreadPool]] = {}
        weakref.finalize(self, close_pools, self._pools).atexit = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            pool = self.pools(get_running_loop())[0]
            await ThreadedCall(self.plan, pool, scope, receive, send).drive()
        elif kind == "websocket":
            # Imported lazily: most applications have no WebSockets.
            from bascule.adapters.websocket_for_wsgi import serve_websocket

            pool = self.pools(get_running_loop())[1]
            await serve_websocket(self.plan, self.websockets, pool, scope, receive, send)
        elif kind == "lifespan":
            await self.live(receive, send)
        else:
            raise ValueError(f"a WSGI application knows no {kind!r}")

    async def live(self, receive: Receive, send: Send) -> None:
        """The lifespan of the server: WSGI has nothing that would start or stop with it, but the
        threads end."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                loop = get_running_loop()
                pools = self._pools.pop(loop, None)
                if pools is not None:
                    close_pools({loop: pools})
                await send({"type": "lifespan.shutdown.complete"})
                return

    def pools(self, loop: AbstractEventLoop) -> tuple[ThreadPool, ThreadPool]:
        """The threads for requests and for WebSockets that report to this loop."""
        pools = self._pools.get(loop)
        if pools is None:
            gone = {old: pool for old, pool in self._pools.items() if old.is_closed()}
            for old in gone:
                del self._pools[old]
            close_pools(gone)
            pools = self._pools[loop] = (
                ThreadPool(self.plan.threads, loop, "wsgi"),
                ThreadPool(self.websockets.limit, loop, "wsgi-websocket"),
            )
        return pools


def close_pools(pools: dict[AbstractEventLoop, tuple[ThreadPool, ThreadPool]]) -> None:
    """Let their threads end."""
    for both in pools.values():
        for pool in both:
            pool.close()
