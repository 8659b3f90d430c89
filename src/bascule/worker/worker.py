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
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bascule.connections.hub import TICK, Hub
from bascule.connections.negotiation import Negotiation
from bascule.connections.plan import ConnectionPlan, Observers
from bascule.interfaces.asgi.lifespan import Lifespan
from bascule.interfaces.exchange import Interface
from bascule.interfaces.hybrid import Hybrid, HybridInterface
from bascule.interfaces.stopping import Stopping
from bascule.loading.application import EVERYWHERE, Application
from bascule.loop import Acceptor, listen
from bascule.observability.limiter import RateLimited
from bascule.observability.stall import Watchdog
from bascule.observability.waiting import Tell, waiting_for
from bascule.protocols.peers import TrustedPeers
from bascule.settings import Settings
from bascule.sockets.named import name_of
from bascule.stacks import thread_stack
from bascule.worker.balance import another_should_accept
from bascule.worker.in_flight import InFlight, in_flight, listing, stacks
from bascule.worker.plan import asgi_plan, connection_plan, stall_after, tls_context, wsgi_plan
from bascule.worker.starvation import Starvation
from bascule.worker.trim import Trimmer

if TYPE_CHECKING:
    from bascule.connections.proxies import ProxyFields
    from bascule.interfaces.asgi.call import AsgiCaller
    from bascule.interfaces.wsgi.interface import WsgiInterface
    from bascule.loop.proxied import ProxyHeaders
    from bascule.observability.access import AccessLog
    from bascule.observability.board import Slot
    from bascule.sockets.tls import WatchedContext
    from bascule.worker.role import WrapInterface
    from bascule.worker.tcp import TcpServices
    from bascule.worker.udp import UdpServices

logger = logging.getLogger("bascule")

# Lines that clients can cause are written once for their kind in this many seconds, then counted.
WARN_EVERY = 10.0
# A client that is in its TLS handshake when the server stops gets this many seconds to finish it.
HANDSHAKE_GRACE = 2.0
# Calls that send to a client that has gone get this long to end by themselves when the server
# stops.
DESERTED_GRACE = 2.0
# Tasks and threads of the application get this long to notice that they were cancelled.
CANCEL_GRACE = 1.0
# The same where the operator has asked to stop at once.
HURRIED_GRACE = 0.1


class Worker:
    """Serves applications, mostly one, on sockets that are open already."""

    def __init__(
        self,
        applications: Sequence[Application],
        settings: Settings,
        sockets: Sequence[socket.socket],
        access: "AccessLog | None" = None,
        slot: "Slot | None" = None,
        tls: "WatchedContext | None" = None,
        plan: ConnectionPlan | None = None,
    ) -> None:
        """Take applications and open sockets; `start` starts them.

        access: the access log, None without one.
        slot: where other processes read this worker's numbers, None where there are none.
        tls: the certificate, where it had to be loaded before; otherwise the start loads it.
        plan: the choices for connections; made of the settings where it is not given.
        """
        self.settings = settings
        self.plan = plan or connection_plan(settings)
        self.sockets = sockets
        self.access = access
        self.slot = slot
        self.tls = tls
        called = [CalledApplication(application) for application in applications]
        self.called = [one for one in called if not one.application.listener]
        # The applications that have an address of --listen to themselves.
        self.listening = [one for one in called if one.application.listener]
        # One for each application, however often it is mounted.
        self.lifespans = {
            id(one.application.app): Lifespan(one.app, "off" if one.is_wsgi else settings.lifespan)
            for one in called
        }
        # A silent response may have half of the time, in case it comes to an end.
        self.stopping = Stopping(settings.timeout_graceful_shutdown / 2)
        self.wsgi: WsgiInterface | None = None
        self.hub: Hub | None = None
        self.acceptors: list[Acceptor] = []
        # Those of them whose certificate may change.
        self.encrypted: list[Acceptor] = []
        self.tcp: TcpServices | None = None
        self.udp: UdpServices | None = None
        self.callers: dict[str, AsgiCaller] = {}
        self.limited = RateLimited(logger, WARN_EVERY)
        self.ticker: asyncio.Task[None] | None = None
        self.watchdog: Watchdog | None = None
        self.starvation = Starvation(lambda: listing(self.in_flight()))
        self.loop_thread = 0
        # In development: makes the interface of connections from the application's.
        self.wrap_interface: WrapInterface | None = None
        # Told what a start waits for, if that takes long.
        self.tell: Tell = logger.info
        # Called with the time of time.monotonic() at every tick: the loop is alive.
        self.heartbeat: Callable[[float], None] | None = None

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
        self.stop_ticking()
        if self.hub is not None:
            self.hub.abort()
            if self.udp is not None:
                self.udp.abort()
            self.hub.interface.close()
        await self.shut_down()
        await self.abandon()

    async def begin(self) -> None:
        loop = asyncio.get_running_loop()
        self.tls = self.tls or tls_context(self.settings)
        for lifespan in self.lifespans.values():
            with waiting_for("lifespan startup", self.tell):
                await lifespan.startup()
        self.hub = hub = self.make_hub(loop, self.make_interface(loop))
        self.loop_thread = threading.get_ident()
        after = stall_after(self.settings)
        if after is not None:
            self.watchdog = Watchdog(after, self.where_loop_is)
            self.watchdog.start()
        self.ticker = loop.create_task(self.tick(hub), name="bascule tick")
        if self.settings.warm_up is not None:
            await self.warm_up(hub, self.settings.warm_up)
        proxy_headers = self.make_proxy_headers()
        another = None
        if self.slot is not None:
            another = partial(another_should_accept, hub, self.slot)
        for sock in self.sockets:
            if name_of(sock):
                continue
            acceptor = await listen(
                loop,
                partial(Negotiation, hub),
                sock,
                backlog=self.settings.backlog,
                ssl=self.tls.context if self.tls is not None else None,
                ssl_handshake_timeout=self.settings.timeout_request_head,
                proxy_headers=proxy_headers,
                warn=self.warn,
            )
            acceptor.may_accept = lambda pending: hub.has_room(pending)
            if another is not None:
                acceptor.another_should_accept = another
            self.acceptors.append(acceptor)
            if self.tls is not None:
                self.encrypted.append(acceptor)
        if self.callers:
            from bascule.worker.tcp import TcpServices

            self.tcp = TcpServices(self.settings, self.callers, hub, another)
            named = [
                sock for sock in self.sockets if name_of(sock) and sock.type == socket.SOCK_STREAM
            ]
            try:
                await self.tcp.begin(named, self.tls, proxy_headers, self.warn)
            finally:
                self.acceptors += self.tcp.acceptors
            self.begin_udp(hub)
        if self.slot is not None:
            self.slot.beat()
            self.slot.accepting = True

    def begin_udp(self, hub: Hub) -> None:
        """Begin to read from the UDP sockets."""
        sockets = [sock for sock in self.sockets if sock.type == socket.SOCK_DGRAM]
        if sockets:
            from bascule.worker.udp import UdpServices

            self.udp = UdpServices(self.settings, self.callers, hub, sockets)
            self.udp.open()

    def make_interface(self, loop: asyncio.AbstractEventLoop) -> Interface:
        """Return the interface for connections: of the one application, or the choice among
        several."""
        if self.wrap_interface is not None:
            served = self.wrap_interface(self.make_served(loop) if self.called else None)
        else:
            served = self.make_served(loop)
        if not self.called or not any(map(name_of, self.sockets)):
            return served
        from bascule.interfaces.composite import CountingInterface

        self.callers = self.make_callers(loop)
        return CountingInterface(served, self.callers.values())

    def make_callers(self, loop: asyncio.AbstractEventLoop) -> "dict[str, AsgiCaller]":
        """Return what calls the applications of `--listen`, by address; "" for the main one."""
        callers = {}
        for one in [*self.called[:1], *self.listening]:
            if not one.is_wsgi:
                lifespan = self.lifespans[id(one.application.app)]
                state = lifespan.state if lifespan.supported else None
                callers[one.application.listener] = self.make_asgi(one.app, loop, state, "")
        return callers

    def make_served(self, loop: asyncio.AbstractEventLoop) -> Interface:
        """Return the interface that calls the applications."""
        interface = self.make_applications(loop)
        if self.settings.accel_redirect:
            from bascule.worker.static import handing_over

            return handing_over(self.settings, interface)
        return interface

    def make_applications(self, loop: asyncio.AbstractEventLoop) -> Interface:
        """The one application's interface, or the choice among several."""
        made = [(one.application.point, self.make_one(one, loop)) for one in self.called]
        applications = [one.application for one in self.called]
        if self.settings.static or any(one.static is not None for one in applications):
            from bascule.worker.static import in_front

            front = in_front(self.settings, applications, made)
            if front is not None:
                return front
        if len(made) == 1 and made[0][0] == EVERYWHERE:
            return made[0][1]
        from bascule.interfaces.dispatch import DispatchInterface, MountedInterface

        routes = [
            MountedInterface(point, interface) for point, interface in made if point is not None
        ]
        websocket = next((interface for point, interface in made if point is None), None)
        return DispatchInterface(routes, websocket, self.settings.root_path)

    def make_one(self, called: "CalledApplication", loop: asyncio.AbstractEventLoop) -> Interface:
        """An application's interface. Interfaces that are not used are not even imported."""
        point = called.application.point
        mounted = point.prefix if point is not None else ""
        if called.is_wsgi:
            return self.make_wsgi(called.app, loop, mounted)
        lifespan = self.lifespans[id(called.application.app)]
        state = lifespan.state if lifespan.supported else None
        hybrid = called.hybrid
        if hybrid is None:
            return self.make_asgi(called.app, loop, state, mounted)
        websocket = None
        if hybrid.websocket is not None:
            websocket = self.make_asgi(hybrid.websocket, loop, state, mounted)
        wsgi = self.make_wsgi(hybrid.wsgi, loop, mounted, beside_asgi=True)
        return HybridInterface(
            wsgi,
            self.make_asgi(hybrid.asgi, loop, state, mounted),
            websocket,
            hybrid.belongs_to_loop,
            self.settings.root_path,
            mounted,
        )

    def make_wsgi(
        self, app: Any, loop: asyncio.AbstractEventLoop, mounted: str, beside_asgi: bool = False
    ) -> "WsgiInterface":
        from bascule.interfaces.wsgi.interface import WsgiInterface

        if self.settings.request_timeout:
            # Imported early: at the first timeout it would take a moment on the loop.
            import_module("bascule.interfaces.wsgi.interrupt")
        plan = wsgi_plan(self.settings, self.slot is not None, beside_asgi)
        self.wsgi = WsgiInterface(app, loop, plan, self.stopping, self.warn, mounted, self.wsgi)
        return self.wsgi

    def make_asgi(
        self,
        app: Any,
        loop: asyncio.AbstractEventLoop,
        state: dict[str, Any] | None,
        mounted: str,
    ) -> "AsgiCaller":
        from bascule.interfaces.asgi.interface import AsgiInterface

        return AsgiInterface(app, loop, asgi_plan(self.settings), self.stopping, state, mounted)

    def make_hub(self, loop: asyncio.AbstractEventLoop, interface: Interface) -> Hub:
        observers = Observers(self.warn, self.access, self.slot)
        proxy_fields = self.make_proxy_fields()
        return Hub(loop, interface, self.plan, observers, self.set_accepting, proxy_fields)

    async def warm_up(self, hub: Hub, path: str) -> None:
        """Make the first request, over connections of their own kind: HTTP/1.1, which clients may
        not be allowed to speak."""
        from bascule.worker.warm_up import warm_up

        plan = replace(self.plan, http1=True, http2=False)
        observers = Observers(self.warn, self.access)
        with waiting_for(f"the answer to --warm-up {path}", self.tell):
            await warm_up(Hub(hub.loop, hub.interface, plan, observers, self.set_accepting), path)

    def make_proxy_fields(self) -> "ProxyFields | None":
        """Return the judge of fields of proxies; None where the application gets them."""
        settings = self.settings
        if not settings.proxy_headers:
            return None
        from bascule.connections.proxies import ProxyFields

        trusted = TrustedPeers(settings.forwarded_allow_ips)
        names = [name.encode() for name in settings.forwarded_headers]
        return ProxyFields(trusted, names, self.warn)

    def make_proxy_headers(self) -> "ProxyHeaders | None":
        """Return the reader of PROXY headers; None without."""
        settings = self.settings
        if not settings.proxy_protocol:
            return None
        from bascule.loop.proxied import ProxyHeaders

        return ProxyHeaders(
            TrustedPeers(settings.proxy_allow_ips),
            settings.timeout_request_head,
            partial(self.warn, "PROXY protocol"),
        )

    def warn(self, kind: str, text: str) -> None:
        """A line that a client can cause: written once, then counted."""
        self.limited.warning(kind, text, time.monotonic())

    def set_accepting(self, accepting: bool) -> None:
        for acceptor in self.acceptors:
            if accepting:
                acceptor.resume()
            else:
                acceptor.pause()

    async def tick(self, hub: Hub) -> None:
        """The one timer of the worker."""
        trimmer = Trimmer()
        while True:
            if self.watchdog is not None:
                now = time.monotonic()
                self.watchdog.watch.beat(now, now + TICK)
            await asyncio.sleep(TICK)
            hub.tick()
            if self.udp is not None:
                self.udp.tick()
            if hub.has_room(0) and not hub.draining:
                # Room may also come from a connection that failed before it was one.
                self.set_accepting(True)
            now = time.monotonic()
            calls = hub.interface.count_running()
            trimmer.look(hub.unsent, len(hub.connections), calls, now)
            self.limited.flush(now)
            if self.heartbeat is not None:
                self.heartbeat(now)
            if self.tls is not None and self.tls.look(now):
                for acceptor in self.encrypted:
                    acceptor.renew(self.tls.context)
                if self.tcp is not None:
                    self.tcp.renew(self.tls)
            if self.access is not None:
                self.access.flush()
            if self.wsgi is not None and self.wsgi.pool is not None:
                self.starvation.look(self.wsgi.pool, time.perf_counter())

    # The requests in flight.

    @property
    def should_exit(self) -> bool:
        """Whether it stops, by the name that Uvicorn's server has for it: sse-starlette asks the
        object behind the handler of SIGTERM."""
        return self.stopping.is_begun

    def in_flight(self) -> list[InFlight]:
        """The requests and WebSockets that are under way, the oldest first. In any thread."""
        return in_flight(self.hub) if self.hub is not None else []

    def stacks(self) -> str:
        """The stacks of all threads, with the request that each runs, and of the tasks of
        requests, for people. In any thread."""
        return stacks(self.hub, self.loop_thread) if self.hub is not None else ""

    def where_loop_is(self) -> str:
        """Return the stack of the loop's thread, and the requests in flight."""
        return f"{thread_stack(self.loop_thread)}{listing(self.in_flight())}"

    def poller_descriptors(self) -> list[int]:
        """Return the descriptors of the pollers of connections."""
        return [fd for acceptor in self.acceptors for fd in acceptor.poller_descriptors()]

    # The end.

    async def drain(self, give_up: asyncio.Event) -> None:
        """Stop accepting and finish what is in flight, until the deadline or until `give_up` is
        set.
        """
        self.stop_accepting()
        hub = self.hub
        if hub is not None:
            self.stopping.begin(hub.loop.time())
            hub.drain()
            if self.udp is not None:
                self.udp.drain()
            if not self.plan.deadlines.last_call:
                # Idle connections need not wait for the next tick.
                hub.tick()
            try:
                async with asyncio.timeout(self.settings.timeout_graceful_shutdown):
                    await self.until_quiet(hub, give_up)
            except TimeoutError:
                # Others are connections on which nothing is under way.
                if running := hub.interface.count_running():
                    logger.warning(
                        "%d requests were still running after %g s; they are aborted "
                        "(--timeout-graceful-shutdown)",
                        running,
                        self.settings.timeout_graceful_shutdown,
                    )
            for acceptor in self.acceptors:
                acceptor.abort()
            hub.abort()
            if self.udp is not None:
                self.udp.abort()
            hub.interface.close()
            await self.until_cancelled(hub, give_up)
        await self.shut_application_down(give_up)
        await self.abandon()
        self.stop_ticking()
        if self.access is not None:
            self.access.close()

    def stop_ticking(self) -> None:
        if self.ticker is not None:
            self.ticker.cancel()
        if self.watchdog is not None:
            self.watchdog.stop()

    def stop_accepting(self) -> None:
        """Take the connections that wait in the kernel's queue, and no more after them."""
        if self.slot is not None:
            self.slot.accepting = False
        for acceptor in self.acceptors:
            acceptor.finish()

    async def shut_application_down(self, give_up: asyncio.Event) -> None:
        """Lifespan shutdown, which has as long as requests have, or a moment."""
        if give_up.is_set() or not any(one.supported for one in self.lifespans.values()):
            return
        tasks = [
            asyncio.ensure_future(self.shut_down()),
            asyncio.ensure_future(give_up.wait()),
        ]
        seconds = max(self.settings.timeout_graceful_shutdown, CANCEL_GRACE)
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
        began = hub.loop.time()
        while not self.is_drained(hub, hub.loop.time() - began):
            if give_up.is_set():
                return
            # In steps of a tick: a response that ends now may have been the last.
            try:
                async with asyncio.timeout(TICK / 5):
                    await give_up.wait()
            except TimeoutError:
                pass

    def is_drained(self, hub: Hub, elapsed: float) -> bool:
        """Whether nothing is in flight any more that is worth waiting for."""
        if elapsed < HANDSHAKE_GRACE and any(one.pending for one in self.acceptors):
            return False
        return hub.quiet or (elapsed >= DESERTED_GRACE and hub.deserted)

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


class CalledApplication:
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
    from bascule.interfaces.asgi.call import from_asgi2

    return from_asgi2(app)
