"""Serving from Python: blocking with `serve`, or inside a loop that somebody else owns with
`Server`."""

import asyncio
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from bascule.errors import UsageError
from bascule.launch import launch
from bascule.settings import OPTIONS, Settings
from bascule.settings.values import NEED_SUPERVISOR
from bascule.sockets.bind import close_listeners, describe, open_listeners
from bascule.worker.applications import ApplicationSource
from bascule.worker.patched import check_patches
from bascule.worker.plan import connection_plan, without_last_call
from bascule.worker.worker import Worker


def serve(
    app: object = None,
    *,
    mounts: Mapping[str, object] | None = None,
    websocket: object = None,
    **options: Any,
) -> int:
    """Serve `app` until SIGTERM or SIGINT; blocks, and must be called in the main thread.

    app: an ASGI or WSGI application, or a TARGET such as "mysite.wsgi".
    mounts: further ones, by the path, the host or both that they have for themselves, such as
    {"/api": api}. websocket: one for WebSockets.
    options: any setting by its name, such as port=8080 or threads=4.
    With `workers` this process becomes their supervisor, and each of them ends with SystemExit;
    what it has imported already is not read again by a reload, but by an upgrade (SIGUSR2).
    Returns the exit code. Raises UsageError (SettingsError, TargetError, BindError) or
    StartupError.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError(
            "bascule.serve must be called in the main thread: it catches signals, which Python "
            "handles nowhere else.\nIn another thread, run a bascule.Server: "
            "asyncio.run(bascule.Server(app).serve())"
        )
    settings = Settings(**({"target": app, **options} if isinstance(app, str) else options))
    if settings.reload:
        raise UsageError(f"reload {RELOADS}; serve() cannot")
    given = None if isinstance(app, str) else app
    refuse_in_vain(settings, options, {"reload_dir": RELOADS, **vain_for(given)})
    if settings.preload and given is None:
        import bascule.django  # noqa: F401  # registers what Django needs before a fork
    return launch(settings, ApplicationSource(given, mounts or {}, websocket))


# What changes a process, and is not for a server inside somebody else's.
OF_THE_PROCESS = ("user", "group", "umask", "pid")

RELOADS = "restarts the process when files change, which `bascule dev` does"
LOGS = "has no effect: Server leaves logging to you; its loggers are named bascule"
WORKERS = "is for workers under a supervisor, and Server has no supervisor"
HOOKS = "has no effect: call your function beside start() and stop()"
# Settings that a Server has no use for, and why. They are refused, because somebody who gives one
# expects that it does something.
IN_VAIN: Mapping[str, str] = {
    "reload": f"{RELOADS}; Server is part of your process",
    "reload_dir": RELOADS,
    "loop": "has no effect: Server runs on the loop that is running",
    "access_log": "has no effect: Server writes no access log",
    "log_level": LOGS,
    "log_format": LOGS,
    "log_config": LOGS,
    "timeout": WORKERS,
    "max_requests_jitter": WORKERS,
    "on_worker_start": HOOKS,
    "on_worker_exit": HOOKS,
    "shutdown_delay": "has no effect: wait that long before you call stop()",
}
TO_LISTEN = ("bind", "host", "port", "uds", "fd")


def vain_for(app: object) -> Mapping[str, str]:
    """What has no effect where the application was given, and not its TARGET."""
    if app is None:
        return {}
    return {"factory": "is for a TARGET; pass the application itself instead"}


def refuse_in_vain(
    settings: Settings, options: Mapping[str, object], reasons: Mapping[str, str]
) -> None:
    """Raise UsageError for an argument that would have no effect; a value that asks for nothing,
    or is the default, is harmless."""
    for name, reason in reasons.items():
        if name not in options:
            continue
        value = getattr(settings, name)
        option = OPTIONS[name]
        # A flag that is off asks for nothing, whatever the default is.
        if value if option.stands_alone else value != option.default:
            raise UsageError(f"{name} {reason}")


class Server:
    """An awaitable server for a loop that is running already. Installs no signal handlers,
    configures no logging.

        server = Server(app, port=8080)
        await server.start()
        ...
        await server.stop()

    or `await server.serve()`, which serves until it is cancelled or `stop` is called elsewhere.
    """

    def __init__(
        self,
        app: object = None,
        *,
        mounts: Mapping[str, object] | None = None,
        websocket: object = None,
        sockets: Sequence[socket.socket] | None = None,
        **options: Any,
    ) -> None:
        """Take an application or a TARGET, and any setting by its name.

        mounts, websocket: further ones, as of `serve`.
        sockets: listening sockets to use instead; they stay the caller's to close.
        Raises SettingsError or TargetError, or UsageError for a setting of the process or one
        without effect.
        """
        self.settings = Settings(
            **({"target": app, **options} if isinstance(app, str) else options)
        )
        given = None if isinstance(app, str) else app
        reasons = {**IN_VAIN, **vain_for(given)}
        if sockets is not None:
            reasons |= dict.fromkeys(TO_LISTEN, "has no effect together with sockets")
        refuse_in_vain(self.settings, options, reasons)
        for name in OF_THE_PROCESS:
            if getattr(self.settings, name) is not None:
                raise UsageError(f"{name} is for a process of its own; Server is part of yours")
        if self.settings.supervised is not None:
            asking = [name for name in NEED_SUPERVISOR if getattr(self.settings, name)]
            raise UsageError(
                f"{asking[0] if asking else 'workers'} needs a supervisor, a process of its own; "
                "Server is part of yours. bascule.serve can do it"
            )
        for name, value in self.settings.app_environment.items():
            os.environ.setdefault(name, value)
        self._applications = ApplicationSource(given, mounts or {}, websocket).find(self.settings)
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
    def addresses(self) -> list[str]:
        """Where it listens, as URLs or unix:PATH; empty before `start` and from `stop` on."""
        if self._worker is None or self._stopping:
            return []
        scheme = "https" if self.settings.ssl_certfile else "http"
        return [describe(sock, scheme) for sock in self._worker.sockets]

    async def start(self) -> None:
        """Listen, run lifespan startup, accept. Raises BindError, UsageError or StartupError."""
        if self._began or self._stopping:
            raise UsageError("this server was started or stopped before; make a new one")
        self._began = True
        if self._given is None:
            self._opened = open_listeners(self.settings.addresses, self.settings.backlog)
        worker = self._make_worker(self._given or self._opened)
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
        # A program that embeds a server, above all a test, wants to continue at once when it
        # stops: idle connections get no last call.
        plan = without_last_call(connection_plan(self.settings))
        return Worker(self._applications, self.settings, sockets, plan=plan)

    async def stop(self) -> None:
        """Drain: finish what is in flight, within timeout_graceful_shutdown; idle connections are
        closed at once. A second call stops at once. Cancelling a call leaves the drain going.
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
        """Start, and serve until cancelled (which drains) or stopped."""
        await self.start()
        try:
            await self._stopped.wait()
        finally:
            await self.stop()
