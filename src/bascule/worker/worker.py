"""A worker: one event loop, its applications, its connections, from startup to the end of the
drain.

    start     lifespan startup, then accept
    drain     accept no more, finish what is in flight, abort what is left, lifespan shutdown

It installs no signal handlers and owns no process: `run` does for the command line, `Server` for
those who embed.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bascule.connections.http1 import Http1Connection
from bascule.connections.hub import TICK, Hub
from bascule.interfaces.application import EVERYWHERE, Application
from bascule.interfaces.exchange import Interface
from bascule.interfaces.hybrid import Hybrid, HybridInterface, beside_asgi
from bascule.interfaces.lifespan import Lifespan
from bascule.loop import Acceptor, listen
from bascule.observability.limiter import RateLimited
from bascule.settings import Settings
from bascule.worker.plan import (
    deadlines,
    extra_lines,
    request_limits,
    server_line,
    websocket_limits,
    websockets,
)

if TYPE_CHECKING:
    import ssl

    from bascule.interfaces.wsgi import WsgiInterface
    from bascule.observability.access import AccessLog

logger = logging.getLogger("bascule")

# Lines that clients can cause are written once for their kind in this many seconds, then counted.
WARN_EVERY = 10.0
# With --debug, a tick this many seconds late says that the loop was blocked; asyncio's own
# threshold.
BLOCKED = 0.1
# A client that is in its TLS handshake when the server stops gets this many seconds to finish it.
HANDSHAKE_GRACE = 2.0
# What is left of the application gets this long to notice that it was cancelled.
CANCEL_GRACE = 1.0
# The same where somebody has asked to stop at once.
HURRIED_GRACE = 0.1


class Worker:
    """Serves applications, mostly one, on sockets that are open already."""

    def __init__(
        self,
        applications: Sequence[Application],
        settings: Settings,
        sockets: Sequence[socket.socket],
        access: "AccessLog | None" = None,
    ) -> None:
        self.settings = settings
        self.sockets = sockets
        self.access = access
        self.sides = [Side(application) for application in applications]
        # One for each application, however often it is mounted.
        self.lifespans = {
            id(side.application.app): Lifespan(
                side.app, "off" if side.is_wsgi else settings.lifespan
            )
            for side in self.sides
        }
        self.wsgi: WsgiInterface | None = None
        self.hub: Hub | None = None
        self.acceptors: list[Acceptor] = []
        self.limited = RateLimited(logger, WARN_EVERY)
        self.ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the application and begin to accept. Raises StartupError or UsageError, and leaves
        nothing behind then.
        """
        try:
            await self.begin()
        except BaseException:
            await self.undo()
            raise

    async def undo(self) -> None:
        """Take back what a start had done when it failed."""
        for acceptor in self.acceptors:
            acceptor.abort()
        if self.ticker is not None:
            self.ticker.cancel()
        if self.hub is not None:
            self.hub.abort()
            self.hub.interface.close()
        await self.shut_down()
        await self.abandon()

    async def begin(self) -> None:
        loop = asyncio.get_running_loop()
        tls = self.tls_context()
        for lifespan in self.lifespans.values():
            await lifespan.startup()
        self.hub = hub = self.make_hub(loop, self.make_interface(loop))
        self.ticker = loop.create_task(self.tick(hub), name="bascule tick")
        for sock in self.sockets:
            acceptor = await listen(
                loop,
                lambda: Http1Connection(hub),
                sock,
                backlog=self.settings.backlog,
                ssl=tls,
                ssl_handshake_timeout=self.settings.timeout_request_head,
            )
            acceptor.may_accept = lambda pending: hub.has_room(pending)
            self.acceptors.append(acceptor)

    def make_interface(self, loop: asyncio.AbstractEventLoop) -> Interface:
        """What connections get: the one application's interface, or the choice among several."""
        made = [(side.application.point, self.make_one(side, loop)) for side in self.sides]
        if len(made) == 1 and made[0][0] == EVERYWHERE:
            return made[0][1]
        from bascule.interfaces.dispatch import DispatchInterface, Route

        routes = [Route(point, interface) for point, interface in made if point is not None]
        websocket = next((interface for point, interface in made if point is None), None)
        return DispatchInterface(routes, websocket, self.settings.root_path)

    def make_one(self, side: "Side", loop: asyncio.AbstractEventLoop) -> Interface:
        """An application's interface. One that is not used is not even imported."""
        point = side.application.point
        mounted = point.prefix if point is not None else ""
        if side.is_wsgi:
            return self.make_wsgi(side.app, loop, mounted)
        lifespan = self.lifespans[id(side.application.app)]
        state = lifespan.state if lifespan.supported else None
        hybrid = side.hybrid
        if hybrid is None:
            return self.make_asgi(side.app, loop, state, mounted)
        websocket = None
        if hybrid.websocket is not None:
            websocket = self.make_asgi(hybrid.websocket, loop, state, mounted)
        return HybridInterface(
            self.make_wsgi(beside_asgi(hybrid.wsgi), loop, mounted),
            self.make_asgi(hybrid.asgi, loop, state, mounted),
            websocket,
            hybrid.belongs_to_loop,
            self.settings.root_path,
            mounted,
        )

    def make_wsgi(self, app: Any, loop: asyncio.AbstractEventLoop, mounted: str) -> Interface:
        from bascule.interfaces.wsgi import WsgiInterface

        settings = self.settings
        interface = WsgiInterface(
            app,
            loop,
            settings.threads,
            settings.root_path,
            websockets(settings),
            self.warn,
            mounted,
            self.wsgi,
        )
        self.wsgi = interface
        return interface

    def make_asgi(
        self,
        app: Any,
        loop: asyncio.AbstractEventLoop,
        state: dict[str, Any] | None,
        mounted: str,
    ) -> Interface:
        from bascule.interfaces.asgi import AsgiInterface

        settings = self.settings
        return AsgiInterface(app, loop, settings.root_path, state, websockets(settings), mounted)

    def make_hub(self, loop: asyncio.AbstractEventLoop, interface: Interface) -> Hub:
        settings = self.settings
        hub = Hub(loop, interface, request_limits(settings), deadlines(settings), self.warn)
        hub.access = self.access
        hub.header_map = settings.header_map
        hub.max_connections = settings.limit_connections
        hub.max_running = settings.limit_concurrency or 0
        hub.date_header = settings.date_header
        hub.defaults.server = server_line(settings)
        hub.defaults.extra = extra_lines(settings)
        hub.websocket_limits = websocket_limits(settings)
        hub.compress = settings.ws_per_message_deflate
        hub.set_accepting = self.set_accepting
        hub.set_date()
        return hub

    def warn(self, kind: str, text: str) -> None:
        """A line that a client can cause: written once, then counted."""
        self.limited.warning(kind, text, time.monotonic())

    def tls_context(self) -> "ssl.SSLContext | None":
        settings = self.settings
        if not settings.ssl_certfile:
            return None
        from bascule.sockets.tls import TLSFiles, server_context

        files = TLSFiles(
            settings.ssl_certfile,
            settings.ssl_keyfile,
            settings.ssl_keyfile_password,
            settings.ssl_ca_certs,
            settings.ssl_cert_reqs,
        )
        return server_context(files, ["http/1.1"])

    def set_accepting(self, accepting: bool) -> None:
        for acceptor in self.acceptors:
            if accepting:
                acceptor.resume()
            else:
                acceptor.pause()

    async def tick(self, hub: Hub) -> None:
        """The one timer of the worker."""
        due = hub.loop.time() + TICK
        while True:
            await asyncio.sleep(TICK)
            hub.tick()
            if hub.has_room(0) and not hub.draining:
                # Room may also come from a connection that failed before it was one.
                self.set_accepting(True)
            self.limited.flush(time.monotonic())
            if self.access is not None:
                self.access.flush()
            late = hub.now - due
            due = hub.now + TICK
            if self.settings.debug and late > BLOCKED:
                logger.warning(
                    "the event loop was blocked for %.2f s: "
                    "something in the application does not await",
                    late,
                )

    async def drain(self, give_up: asyncio.Event) -> None:
        """Stop accepting and finish what is in flight, until the deadline or until `give_up` is
        set.
        """
        self.stop_accepting()
        hub = self.hub
        if hub is not None:
            hub.drain()
            try:
                async with asyncio.timeout(self.settings.timeout_graceful_shutdown):
                    await self.until_quiet(hub, give_up)
            except TimeoutError:
                logger.warning(
                    "%d requests were still running after %g s; they are aborted "
                    "(--timeout-graceful-shutdown)",
                    hub.interface.count_running(),
                    self.settings.timeout_graceful_shutdown,
                )
            for acceptor in self.acceptors:
                acceptor.abort()
            hub.abort()
            hub.interface.close()
            await self.until_cancelled(hub, give_up)
        await self.shut_application_down(give_up)
        await self.abandon()
        if self.ticker is not None:
            self.ticker.cancel()
        if self.access is not None:
            self.access.close()

    def stop_accepting(self) -> None:
        """Take the connections that wait in the kernel's queue, and no more after them."""
        for acceptor in self.acceptors:
            acceptor.finish()

    async def shut_application_down(self, give_up: asyncio.Event) -> None:
        """Lifespan shutdown, which has as long as requests have."""
        if give_up.is_set():
            return
        tasks = [
            asyncio.ensure_future(self.shut_down()),
            asyncio.ensure_future(give_up.wait()),
        ]
        seconds = self.settings.timeout_graceful_shutdown
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            logger.warning(
                "lifespan shutdown had not finished after %g s (--timeout-graceful-shutdown)",
                seconds,
            )
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CANCEL_GRACE)

    async def shut_down(self) -> None:
        """Lifespan shutdown, in the opposite order of startup."""
        for lifespan in reversed(self.lifespans.values()):
            await lifespan.shutdown()

    async def abandon(self) -> None:
        """Cancel what is left of lifespans."""
        for lifespan in self.lifespans.values():
            await lifespan.abandon()

    async def until_quiet(self, hub: Hub, give_up: asyncio.Event) -> None:
        patience = hub.loop.time() + HANDSHAKE_GRACE
        while not hub.quiet or (
            any(acceptor.pending for acceptor in self.acceptors) and hub.loop.time() < patience
        ):
            if give_up.is_set():
                return
            # In steps of a tick: a response that ends now may have been the last.
            try:
                async with asyncio.timeout(TICK / 5):
                    await give_up.wait()
            except TimeoutError:
                pass

    async def until_cancelled(self, hub: Hub, give_up: asyncio.Event) -> None:
        """Give what was cut off the time to notice: tasks are cancelled, threads find their client
        gone.
        """
        grace = HURRIED_GRACE if give_up.is_set() else CANCEL_GRACE
        patience = hub.loop.time() + grace
        while hub.interface.count_running() and hub.loop.time() < patience:
            await asyncio.sleep(TICK / 10)

    @property
    def left_running(self) -> bool:
        """Calls of the application that nothing could end are still there."""
        return self.hub is not None and self.hub.interface.count_running() > 0


class Side:
    """An application as it is called."""

    def __init__(self, application: Application) -> None:
        app = application.app
        self.application = application
        self.is_wsgi = application.interface == "wsgi"
        self.hybrid: Hybrid | None = app if isinstance(app, Hybrid) else None
        # Of a project with both sides, the one that has the lifespan.
        self.app: Any = (
            adapted(app, application.interface) if self.hybrid is None else self.hybrid.lasting
        )


def adapted(app: Any, interface: str) -> Any:
    """The application as the interfaces call it: ASGI 2 is made into ASGI 3."""
    if interface != "asgi2":
        return app
    from bascule.interfaces.asgi_call import from_asgi2

    return from_asgi2(app)
