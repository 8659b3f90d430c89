"""A process that serves, from its settings to its exit code.

    SIGTERM, SIGINT     drain, then exit 0
    a second one        stop at once, exit 1
    SIGUSR1             open the log files again

In a worker under a supervisor, the supervisor alone handles SIGINT and SIGUSR1.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from importlib import import_module
from typing import NoReturn

from bascule.errors import EXIT_FORCED, EXIT_OK, StartupError
from bascule.interfaces.hybrid import Hybrid
from bascule.loading.application import Application
from bascule.loop import loop_factory, loop_name, new_event_loop
from bascule.observability import logs
from bascule.observability.access import AccessLog
from bascule.observability.banner import BothSides, banner
from bascule.observability.waiting import waiting_for
from bascule.settings import Settings
from bascule.sockets.bind import close_listeners
from bascule.sockets.named import describe
from bascule.sockets.systemd import Notifier
from bascule.speed import is_compiled, is_pure_forced
from bascule.stacks import OWN_THREADS
from bascule.worker import forks
from bascule.worker.applications import ApplicationSource
from bascule.worker.hooks import Hooks
from bascule.worker.listeners import listening_sockets
from bascule.worker.patched import check_patches, refuse_failed_patch
from bascule.worker.pidfile import PidFile
from bascule.worker.plan import tls_context
from bascule.worker.privileges import wanted_identity
from bascule.worker.role import Loaded, Standalone, Stop
from bascule.worker.worker import Worker

logger = logging.getLogger("bascule")

# Seconds, after a second signal: enough to close connections and the loop.
FORCED_GRACE = 1.0
# The signals that a process catches while it serves.
SERVER_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM)


def run(settings: Settings, source: ApplicationSource, role: Standalone | None = None) -> int:
    """Serve until a signal ends it, or the role does; return the exit code.

    source: the applications.
    role: what the process gets from the one that started it, and owes it.
    Raises UsageError or StartupError before anything is served.
    """
    role = role or Standalone()
    role.begin(settings)
    loaded = role.loaded
    identity = None
    if loaded is None:
        prepare_process(settings)
        identity = wanted_identity(settings.user, settings.group)
    if role.sockets is None:
        opened = listening_sockets(settings, identity)
    else:
        opened = list(role.sockets) if role.closes_sockets else []
    pid_file: PidFile | None = None
    try:
        # The key may be readable by root only, so it is read before root is given up.
        tls = loaded.tls if loaded is not None else tls_context(settings)
        if settings.pid is not None and role.represents_service:
            pid_file = PidFile(settings.pid)
            pid_file.write()
        if identity is not None:
            identity.assume()
        if loaded is None:
            with waiting_for(f"the import of {source.named(settings)}", role.report_waiting):
                loaded = Loaded(load_applications(settings, source), tls)
        return Process(settings, loaded, role, opened, pid_file).run()
    finally:
        close_listeners(opened)
        if pid_file is not None:
            pid_file.remove()


def prepare_process(settings: Settings) -> None:
    """Configure logging and the environment, before the application is imported."""
    occupy_standard_descriptors()
    if settings.umask is not None:
        os.umask(settings.umask)
    logs.configure(settings.log_level, settings.log_format, settings.log_config, settings.debug)
    for name, value in settings.app_environment.items():
        os.environ.setdefault(name, value)


def load_applications(settings: Settings, source: ApplicationSource) -> list[Application]:
    """Import the applications.

    Called outside the event loop: Django's ORM refuses to work in one, and imports may use it.
    Raises UsageError or StartupError.
    """
    try:
        applications = source.find(settings)
    except StartupError:
        refuse_failed_patch(settings)
        raise
    if settings.log_config is None:
        logs.survive_application()
    check_patches(applications, settings)
    return applications


def preload(settings: Settings, source: ApplicationSource) -> Loaded:
    """Import the applications for processes that will be forked from this one, and the modules of
    Bascule that each of these would import for itself.

    Raises UsageError or StartupError.
    """
    prepare_process(settings)
    identity = wanted_identity(settings.user, settings.group)
    tls = tls_context(settings)
    if identity is not None:
        identity.assume()
    applications = load_applications(settings, source)
    loop_factory(settings.loop)
    for application in applications:
        is_hybrid = isinstance(application.app, Hybrid)
        if is_hybrid or application.interface == "wsgi":
            import_module("bascule.interfaces.wsgi.interface")
        if is_hybrid or application.interface != "wsgi":
            import_module("bascule.interfaces.asgi.interface")
    return Loaded(applications, tls)


def occupy_standard_descriptors() -> None:
    """Open /dev/null in place of standard streams that are closed.

    Some service managers start programs that way. Otherwise the next file, socket or event loop
    would get the number: a library that prints to descriptor 2 would write to a client, and libuv
    aborts the process when it has to close one of the three.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        # Like the streams themselves, for programs that the application starts.
        os.set_inheritable(number, True)
    os.close(number)


class Process:
    """The worker of this process, its loop, and its signals.

    settings: all of them.
    loaded: what to serve.
    role: what the process gets from the one that started it, and owes it.
    opened: listening sockets to close when it stops accepting; emptied then.
    pid_file: removed when the process ends without returning to its caller.
    """

    def __init__(
        self,
        settings: Settings,
        loaded: Loaded,
        role: Standalone,
        opened: list[socket.socket],
        pid_file: PidFile | None = None,
    ) -> None:
        self.settings = settings
        self.applications = loaded.applications
        self.role = role
        self.sockets = list(opened if role.sockets is None else role.sockets)
        self.opened = opened
        self.pid_file = pid_file
        self.hooks = Hooks(settings, role.report_exit_hook_called)
        self.places = forks.places(self.sockets)
        self.code = EXIT_OK
        # A second signal has come.
        self.is_forced = False
        self.access = (
            AccessLog(settings.log_format, settings.debug) if settings.access_log else None
        )
        self.worker = Worker(
            loaded.applications, settings, self.sockets, self.access, role.slot, loaded.tls
        )
        self.worker.wrap_interface = role.wrap_interface
        self.worker.tell = role.report_waiting
        role.describe_stacks_by(self.worker.stacks)
        represents = role.represents_service
        self.notifier = Notifier.of(os.environ, os.getpid()) if represents else Notifier()
        self.worker.heartbeat = self.notifier.beat

    def run(self) -> int:
        """Run the loop until it has drained; return the exit code."""
        with waiting_for("--on-worker-start", self.worker.tell):
            self.hooks.begin()
        self.role.report_start_hook_called()
        try:
            # One more signal ends a hook that hangs, even in C code.
            last = {} if self.settings.on_worker_exit else self.role.last_handlers
            with forks.restored(SERVER_SIGNALS, last):
                forks.hold(self.descriptors)
                code = self.run_loop()
                # Set by a second signal. Everything has ended by now.
                signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            # The signal handlers of before are back, so that one more signal ends a hook that
            # hangs.
            if self.role.is_supervised:
                # The supervisor may still pass on a SIGTERM that was sent to all processes.
                forks.catch(signal.SIGTERM, forks.nothing)
            self.hooks.end()
        if self.is_forced:
            code = EXIT_FORCED
        if self.worker.left_running:
            self.leave(code)
        return code

    def descriptors(self) -> list[int]:
        """Return the descriptors that processes forked by the application must not have."""
        listening = forks.numbers_of([*self.sockets, *self.opened])
        return list(
            {*listening, *forks.accepted_at(self.places), *self.worker.poller_descriptors()}
        )

    def run_loop(self) -> int:
        loop = new_event_loop(self.settings.loop)
        asyncio.set_event_loop(loop)
        try:
            code = loop.run_until_complete(self.main(loop))
        except BaseException:
            close_loop(loop)
            raise
        if not self.worker.left_running:
            close_loop(loop)
        return code

    def leave(self, code: int) -> None:
        """End the process at once."""
        if self.pid_file is not None:
            self.pid_file.remove()
        leave(code)

    async def main(self, loop: asyncio.AbstractEventLoop) -> int:
        stop = asyncio.Event()
        give_up = asyncio.Event()
        await self.worker.start()
        self.catch_signals(loop, stop, give_up)
        self.role.report_ready(self.describe(loop), self.stop_from_outside(loop, stop))
        self.notifier.ready(f"listening on {', '.join(self.addresses())}")
        # All objects that exist now stay. Checking them for garbage again and again would find
        # none.
        gc.collect()
        gc.freeze()
        await stop.wait()
        self.notifier.stopping("finishing what is in flight")
        if self.settings.shutdown_delay and not self.role.is_supervised:
            # A supervisor does the waiting for all of its workers.
            await self.wait_for_load_balancers(give_up)
        self.worker.stop_accepting()
        close_listeners(self.opened)
        self.opened.clear()
        await self.worker.drain(give_up)
        logger.info("stopped")
        return self.code

    async def wait_for_load_balancers(self, give_up: asyncio.Event) -> None:
        """Keep serving until load balancers have noticed that this server stops."""
        try:
            async with asyncio.timeout(self.settings.shutdown_delay):
                await give_up.wait()
        except TimeoutError:
            pass

    def stop_from_outside(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Stop:
        """Return a function that stops the server from any thread.

        Once the server is stopping, its exit code does not change any more.
        """

        def end(code: int) -> None:
            if not stop.is_set():
                self.code = code
                stop.set()

        def ask(code: int) -> None:
            try:
                loop.call_soon_threadsafe(end, code)
            except RuntimeError:
                pass  # the loop is closed: it has stopped

        return ask

    def catch_signals(
        self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event, give_up: asyncio.Event
    ) -> None:
        """Set `stop` at the first signal, and `give_up` at the second.

        A supervised worker gets SIGQUIT as the second one. If the loop does not react to the
        second signal in time, the process ends.
        """
        caught: list[int] = []

        def on_signal(number: int, frame: object) -> None:
            if number == signal.SIGTERM and caught and self.role.is_supervised:
                return  # the same SIGTERM was sent to all processes
            event = give_up if caught or number == signal.SIGQUIT else stop
            caught.append(number)
            self.is_forced = event is give_up
            if loop.is_closed():
                return  # the process is about to end
            if event is give_up:
                loop.call_soon_threadsafe(stop.set)
            self.role.report_stopping()
            loop.call_soon_threadsafe(event.set)
            if event is stop:
                logger.info("stopping: finishing what is in flight")
            else:
                signal.setitimer(signal.ITIMER_REAL, FORCED_GRACE)

        forks.catch(signal.SIGALRM, lambda number, frame: self.leave(EXIT_FORCED))
        # sse-starlette reads `should_exit` of the object whose method handles SIGTERM.
        setattr(on_signal, "__self__", self.worker)  # noqa: B010
        forks.catch(signal.SIGTERM, on_signal)
        self.role.reopen_logs_by(logs.reopen)
        if self.role.is_supervised:
            forks.catch(signal.SIGQUIT, on_signal)
        else:
            forks.catch(signal.SIGINT, on_signal)
            forks.catch(signal.SIGUSR1, lambda number, frame: logs.reopen())

    def describe(self, loop: asyncio.AbstractEventLoop) -> list[str]:
        """Return the lines of the banner: applications, addresses, loop and the like."""
        return banner(
            applications=[(one.target, kind_of(one), one.place) for one in self.applications],
            addresses=self.addresses(),
            threads=self.settings.threads,
            loop=loop_name(loop),
            compiled=is_compiled(),
            pid=os.getpid(),
            forced_pure=is_pure_forced(),
            static=self.describe_static(),
        )

    def describe_static(self) -> list[str]:
        """Which directories of files are served."""
        if not self.settings.static and all(one.static is None for one in self.applications):
            return []
        from bascule.worker.static import described

        return described(self.settings, self.applications)

    def addresses(self) -> list[str]:
        """Return where clients reach this process."""
        scheme = "https" if self.settings.ssl_certfile else "http"
        return [describe(sock, scheme) for sock in self.sockets]


def kind_of(application: Application) -> str | BothSides:
    """Return the interface of an application, for the banner."""
    app = application.app
    if isinstance(app, Hybrid):
        return BothSides(app.framework, app.websocket_target)
    return application.interface


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop as asyncio.run does, but wait for no thread: it may never end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close()


def leave(code: int) -> None:
    """End the process although application code is still running.

    Joining its threads could take forever.
    """
    names = sorted(
        thread.name
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and thread.name not in OWN_THREADS
    )
    logger.warning(
        "left behind, still busy: %s", ", ".join(names) or "a task that ignores being cancelled"
    )
    end_process(code)


def end_process(code: int) -> NoReturn:
    """End the process without joining its threads and without calling `atexit` functions."""
    logging.shutdown()
    flush_streams()
    os._exit(code)


def flush_streams() -> None:
    """Write the buffered output of standard output and standard error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # the other end of the pipe is closed, or the application has closed the stream
