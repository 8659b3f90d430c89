"""Serving from Python: `serve` blocks until a signal comes, `Server` is a part of a program with
an event loop of its own."""

import asyncio
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from bascule.effectless import check_serve, check_server
from bascule.errors import UsageError
from bascule.launch import launch
from bascule.settings import Settings
from bascule.sockets.bind import close_listeners, open_listeners
from bascule.sockets.named import describe, name_of
from bascule.worker.applications import ApplicationSource
from bascule.worker.listeners import complete
from bascule.worker.patched import check_patches
from bascule.worker.plan import connection_plan, without_last_call
from bascule.worker.worker import Worker

if TYPE_CHECKING:
    from typing import Unpack

    from bascule.settings.typed import Options


def serve(
    app: object = None,
    *,
    mounts: Mapping[str, object] | None = None,
    websocket: object = None,
    sockets: Sequence[socket.socket] | None = None,
    **options: "Unpack[Options]",
) -> int:
    """Serve `app` until SIGTERM or SIGINT, and return the exit code.

    Blocks, and must be called in the main thread, where no event loop is running. With `workers`
    this process becomes their supervisor, and each worker ends with SystemExit. A reload does not
    import again what this process has imported already; an upgrade (SIGUSR2) does.

    app: an ASGI or WSGI application, or a TARGET such as "mysite.wsgi".
    mounts: further applications or TARGETs, by mount point: a path, a host, or both, such as
        {"/api": api}.
    websocket: the application or TARGET for WebSockets.
    sockets: listening sockets to use instead of an address; the server closes them when it stops.
    options: any setting by its name, such as port=8080 or threads=4.

    Raises UsageError (SettingsError, TargetError, BindError) or StartupError.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError(
            "bascule.serve must be called in the main thread: it catches signals, which Python "
            "handles nowhere else.\nIn another thread, run a bascule.Server: "
            "asyncio.run(bascule.Server(app).serve())"
        )
    if _loop_is_running():
        raise UsageError(
            "bascule.serve cannot be called while an event loop is running, as in a coroutine or "
            "a notebook: it blocks, and runs a loop of its own.\nUse a bascule.Server instead: "
            "async with bascule.Server(app) as server: ..., or await server.start()"
        )
    settings = _settings(app, options)
    source = _source(app, mounts, websocket)
    check_serve(settings, options, source, sockets)
    # Registers what the packages below need to know of Django.
    import bascule.django  # noqa: F401

    return launch(settings, source, sockets)


class Server:
    """A server inside a program that has an event loop running.

        async with bascule.Server(app, port=0) as server:
            print(server.port)

    Entering listens, runs lifespan startup and accepts connections; leaving drains. `start` and
    `stop` do the same, and `serve` does both: it serves until it is cancelled, or `stop` is called
    elsewhere. A server starts once.

    It installs no signal handlers, configures no logging and writes no access log.
    """

    # An attribute of another server's class, such as `should_exit`, cannot be set in vain.
    __slots__ = (
        "__weakref__",
        "_applications",
        "_began",
        "_draining",
        "_give_up",
        "_given",
        "_opened",
        "_stopped",
        "_stopping",
        "_worker",
        "settings",
    )

    def __init__(
        self,
        app: object = None,
        *,
        mounts: Mapping[str, object] | None = None,
        websocket: object = None,
        sockets: Sequence[socket.socket] | None = None,
        **options: "Unpack[Options]",
    ) -> None:
        """Import the application, where a TARGET names it, and check everything.

        app, mounts, websocket, options: as of `serve`.
        sockets: listening sockets to use instead of an address; the caller closes them.

        Raises SettingsError or TargetError, or UsageError for a setting of the process or one
        without effect.
        """
        self.settings = _settings(app, options)
        source = _source(app, mounts, websocket)
        check_server(self.settings, options, source, sockets)
        for name, value in self.settings.app_environment.items():
            os.environ.setdefault(name, value)
        self._applications = source.find(self.settings)
        check_patches(self._applications, self.settings)
        self._given = sockets
        self._opened: list[socket.socket] = []
        self._worker: Worker | None = None
        self._began = False
        self._stopping = False
        self._draining: asyncio.Task[None] | None = None
        self._give_up = asyncio.Event()
        self._stopped = asyncio.Event()

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets; none before `start`, and none from `stop` on."""
        if self._worker is None or self._stopping:
            return ()
        return tuple(self._worker.sockets)

    @property
    def addresses(self) -> list[str]:
        """The addresses of the listening sockets, as URLs or unix:PATH."""
        scheme = "https" if self.settings.uses_tls else "http"
        return [describe(sock, scheme) for sock in self.sockets]

    @property
    def port(self) -> int:
        """The port of the first listening socket of HTTP that has one.

        Raises UsageError while the server does not listen on a port.
        """
        for sock in self.sockets:
            if sock.family != socket.AF_UNIX and not name_of(sock):
                return int(sock.getsockname()[1])
        raise UsageError(
            "the server listens on UNIX sockets only, which have no port"
            if self.sockets
            else "the server has no port while it is not started: use it inside "
            "`async with bascule.Server(app) as server:`"
        )

    async def __aenter__(self) -> Self:
        """Start; see `start`."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drain; see `stop`."""
        await self.stop()

    async def start(self) -> None:
        """Listen, run lifespan startup, accept. Raises BindError, UsageError or StartupError."""
        if self._began or self._stopping:
            raise UsageError("this server was started or stopped before; make a new one")
        self._began = True
        given = self._given
        if given is None:
            self._opened = open_listeners(self.settings.addresses, self.settings.backlog)
        try:
            self._opened += complete(self.settings, ())
        except BaseException:
            close_listeners(self._opened)
            raise
        worker = self._make_worker([*(given or ()), *self._opened])
        try:
            await worker.start()
        except BaseException:
            close_listeners(self._opened)
            raise
        if self._stopping:
            await self._drain(worker)
            raise UsageError("this server was stopped while it started")
        self._worker = worker

    def _make_worker(self, sockets: Sequence[socket.socket]) -> Worker:
        # A program with a server inside, above all a test, is not to wait for idle connections.
        plan = without_last_call(connection_plan(self.settings))
        return Worker(self._applications, self.settings, sockets, plan=plan)

    async def stop(self) -> None:
        """Drain: finish the requests in flight within timeout_graceful_shutdown, and close idle
        connections at once.

        A second call stops at once. Cancelling a call does not cancel the drain.
        """
        if self._stopping:
            self._give_up.set()
        self._stopping = True
        if self._worker is not None and self._draining is None:
            self._draining = asyncio.create_task(self._drain(self._worker))
        if self._draining is not None:
            await asyncio.shield(self._draining)
        self._stopped.set()

    async def _drain(self, worker: Worker) -> None:
        worker.stop_accepting()
        close_listeners(self._opened)
        await worker.drain(self._give_up)
        self._worker = None

    async def serve(self) -> None:
        """Start, and serve until this call is cancelled, which drains too, or `stop` is called."""
        await self.start()
        try:
            await self._stopped.wait()
        finally:
            await self.stop()


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _settings(app: object, options: "Options") -> Settings:
    """Return the settings of a call, whose application may be a TARGET."""
    if not isinstance(app, str):
        return Settings(**options)
    if "target" in options:
        raise UsageError(f"target: the application is given already, as {app!r}")
    return Settings(**cast(Any, {"target": app, **options}))


def _source(
    app: object, mounts: Mapping[str, object] | None, websocket: object
) -> ApplicationSource:
    return ApplicationSource(None if isinstance(app, str) else app, mounts or {}, websocket)
