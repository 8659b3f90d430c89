"""One process from its settings to its exit code: what `bascule serve` does.

SIGTERM, SIGINT     drain, then exit 0
the same again      stop at once, exit 1
SIGUSR1             open the files of logs again

Under a supervisor, SIGINT and SIGUSR1 are the supervisor's.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from bascule.errors import StartupError
from bascule.interfaces.hybrid import Hybrid
from bascule.loading.application import Application
from bascule.loop import loop_factory, loop_name, new_event_loop
from bascule.observability import logs
from bascule.observability.access import AccessLog
from bascule.observability.banner import BothSides, banner
from bascule.observability.stall import WATCHDOG
from bascule.observability.waiting import waiting_for
from bascule.settings import Settings
from bascule.sockets.bind import close_listeners, describe
from bascule.sockets.systemd import Notifier
from bascule.speed import is_compiled, is_pure_forced
from bascule.worker import forks
from bascule.worker.applications import Load, find_applications, load_module
from bascule.worker.hooks import Hooks
from bascule.worker.lifeline import THREAD_NAME, ServerEnd
from bascule.worker.listeners import listening_sockets
from bascule.worker.patched import check_patches, refuse_failed_patch
from bascule.worker.pidfile import PidFile
from bascule.worker.plan import tls_context
from bascule.worker.privileges import wanted_identity
from bascule.worker.worker import Worker

if TYPE_CHECKING:
    from bascule.sockets.tls import WatchedContext
    from bascule.worker.supervisor_link import SupervisorLink

logger = logging.getLogger("bascule")

EXIT_OK = 0
EXIT_FORCED = 1
# After a second signal: as long as it takes to close connections and let go of the loop.
FORCED_GRACE = 1.0
# Signals that a process catches while it serves.
CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM)
# Threads of ours that do not keep a process from its end.
OURS = frozenset({WATCHDOG, THREAD_NAME, "bascule supervisor"})

# Drains, and ends with that exit code; from any thread, at any time.
Stop = Callable[[int], None]
# Told, on the loop's thread, when connections are accepted and signals caught.
Ready = Callable[[Stop], None]


def run(
    settings: Settings,
    sockets: Sequence[socket.socket] | None = None,
    app: object = None,
    mounts: Mapping[str, object] | None = None,
    websocket: object = None,
    load: Load = load_module,
    lifeline: ServerEnd | None = None,
    supervisor: "SupervisorLink | None" = None,
    ready: Ready | None = None,
    loaded: "Loaded | None" = None,
) -> int:
    """Serve until a signal says stop, or whoever `ready` has told; returns the exit code.

    sockets: listening sockets to use instead of the settings' addresses; the caller closes them.
    With a supervisor they are closed here: a worker that leaves must not keep them open.
    app: the application, instead of the settings' target. mounts, websocket: further ones.
    load: finds what a TARGET names. loaded: what `preload` has returned in the process that this
    one was forked from.
    lifeline: to the reloader that has started this process, if there is one. supervisor: the link
    of a worker to its supervisor.
    Raises UsageError or StartupError before anything is served.
    """
    if loaded is None:
        prepare_process(settings)
    if lifeline is not None:
        # Requests have the one, lifespan shutdown the other.
        lifeline.patience += 2 * settings.timeout_graceful_shutdown
    identity = wanted_identity(settings.user, settings.group) if loaded is None else None
    if sockets is None:
        opened = listening_sockets(settings, identity)
    else:
        opened = [] if supervisor is None else list(sockets)
    pid_file: PidFile | None = None
    try:
        # Read before root is given up, which alone may be able to.
        tls = loaded.tls if loaded is not None else tls_context(settings)
        # With a supervisor, that is the process whose number is wanted.
        if settings.pid is not None and lifeline is None and supervisor is None:
            pid_file = PidFile(settings.pid)
            pid_file.write()
        if identity is not None:
            identity.assume()
        tell = logger.info if supervisor is None else supervisor.report_waiting
        if loaded is None:
            with waiting_for(f"the import of {named(settings)}", tell):
                found = load_applications(settings, app, mounts, websocket, load)
            loaded = Loaded(found, tls)
        hooks = (
            Hooks(settings)
            if supervisor is None
            else Hooks(settings, supervisor.report_exit_hook_called)
        )
        process = Process(
            settings,
            loaded.applications,
            sockets or opened,
            opened,
            tls,
            lifeline,
            pid_file,
            supervisor,
            ready,
            hooks,
        )
        return process.run()
    finally:
        close_listeners(opened)
        if pid_file is not None:
            pid_file.remove()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is there when the application has been imported: all that a worker needs."""

    applications: Sequence[Application]
    tls: "WatchedContext | None"


def prepare_process(settings: Settings) -> None:
    """What an application finds when it is imported: a log, and its environment."""
    occupy_standard_descriptors()
    if settings.umask is not None:
        os.umask(settings.umask)
    logs.configure(settings.log_level, settings.log_format, settings.log_config, settings.debug)
    for name, value in settings.app_environment.items():
        os.environ.setdefault(name, value)


def load_applications(
    settings: Settings,
    app: object = None,
    mounts: Mapping[str, object] | None = None,
    websocket: object = None,
    load: Load = load_module,
) -> list[Application]:
    """Import the applications.

    Outside the loop: Django's ORM refuses to work where one is running, and imports may use it.
    Raises UsageError or StartupError.
    """
    try:
        applications = find_applications(settings, app, mounts, websocket, load)
    except StartupError:
        refuse_failed_patch(settings)
        raise
    if settings.log_config is None:
        logs.survive_application()
    check_patches(applications, settings)
    return applications


def preload(
    settings: Settings,
    app: object = None,
    mounts: Mapping[str, object] | None = None,
    websocket: object = None,
    load: Load = load_module,
) -> Loaded:
    """Import the applications for processes that will be forked from this one, and of Bascule
    what each of them would import for itself.

    Raises UsageError or StartupError.
    """
    prepare_process(settings)
    identity = wanted_identity(settings.user, settings.group)
    tls = tls_context(settings)
    if identity is not None:
        identity.assume()
    applications = load_applications(settings, app, mounts, websocket, load)
    loop_factory(settings.loop)
    for application in applications:
        is_hybrid = isinstance(application.app, Hybrid)
        if is_hybrid or application.interface == "wsgi":
            import_module("bascule.interfaces.wsgi.http")
        if is_hybrid or application.interface != "wsgi":
            import_module("bascule.interfaces.asgi.http")
    return Loaded(applications, tls)


def occupy_standard_descriptors() -> None:
    """Open /dev/null where a standard stream was closed, as some service managers start programs.

    The next file, socket or event loop would get its number otherwise: what a library prints to
    descriptor 2 would go to a client, and libuv ends the process when it is to close one of the
    three.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        # Like the streams themselves, for what the application starts.
        os.set_inheritable(number, True)
    os.close(number)


class Process:
    """The worker of this process, its loop, and its signals.

    sockets: to serve on. opened: those of them to close when it stops; emptied then. tls: what
    encrypts them. lifeline: to the reloader that has started it, if there is one. pid_file: to
    remove when the process ends without a way back to its caller. supervisor: the link to it, of a
    worker. ready: told when it serves. hooks: the application's.
    """

    def __init__(
        self,
        settings: Settings,
        applications: Sequence[Application],
        sockets: Sequence[socket.socket],
        opened: list[socket.socket],
        tls: "WatchedContext | None",
        lifeline: ServerEnd | None,
        pid_file: PidFile | None,
        supervisor: "SupervisorLink | None",
        ready: Ready | None,
        hooks: Hooks,
    ) -> None:
        self.settings = settings
        self.applications = applications
        self.sockets = sockets
        self.opened = opened
        self.lifeline = lifeline
        self.pid_file = pid_file
        self.supervisor = supervisor
        self.ready = ready
        self.hooks = hooks
        self.places = forks.places(sockets)
        self.code = EXIT_OK
        # Told twice to stop.
        self.is_forced = False
        self.access = (
            AccessLog(settings.log_format, settings.debug) if settings.access_log else None
        )
        slot = None if supervisor is None else supervisor.slot
        self.worker = Worker(applications, settings, sockets, self.access, slot, tls)
        # A server under a reloader tells its visitors when the next one fails.
        self.worker.failures = lifeline
        if supervisor is not None:
            self.worker.tell = supervisor.report_waiting
            supervisor.describe_stacks = self.worker.stacks
        # Who has started it speaks for all its processes.
        alone = lifeline is None and supervisor is None
        self.notifier = Notifier.of(os.environ, os.getpid()) if alone else Notifier()
        self.worker.heartbeat = self.notifier.beat

    def run(self) -> int:
        """Run the loop from start to drained."""
        with waiting_for("--on-worker-start", self.worker.tell):
            self.hooks.begin()
        if self.supervisor is not None:
            self.supervisor.report_start_hook_called()
        try:
            with forks.restored(CAUGHT):
                forks.hold(self.descriptors)
                code = self.run_loop()
                # Of a second signal: nothing is left that it could have to end.
                signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            # With signals as they were, so that one more ends a function that hangs.
            if self.supervisor is not None:
                # The supervisor may only now pass on a SIGTERM that came to all processes.
                forks.catch(signal.SIGTERM, forks.nothing)
            self.hooks.end()
        if self.is_forced:
            code = EXIT_FORCED
        if self.worker.left_running:
            self.leave(code)
        return code

    def descriptors(self) -> list[int]:
        """Descriptors that processes forked by the application must not have."""
        listening = forks.numbers_of([*self.sockets, *self.opened])
        return list({*listening, *forks.accepted_at(self.places)})

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
        if self.ready is not None:
            self.ready(self.stop_from_outside(loop, stop))
        self.say_ready(loop)
        # What is here now stays: looking through it again and again for garbage would be for
        # nothing.
        gc.collect()
        gc.freeze()
        await stop.wait()
        self.notifier.stopping("finishing what is in flight")
        if self.supervisor is None and self.settings.shutdown_delay:
            # With a supervisor, it waits for all of them.
            await self.wait_for_load_balancers(give_up)
        self.worker.stop_accepting()
        close_listeners(self.opened)
        self.opened.clear()
        await self.worker.drain(give_up)
        logger.info("stopped")
        return self.code

    async def wait_for_load_balancers(self, give_up: asyncio.Event) -> None:
        """Serve on until they have noticed that it stops."""
        try:
            async with asyncio.timeout(self.settings.shutdown_delay):
                await give_up.wait()
        except TimeoutError:
            pass

    def stop_from_outside(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Stop:
        """The function that `ready` gets. A stop that is under way already keeps its code."""

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
        """The first signal sets `stop`, the next `give_up`; if nobody hears that, the process
        ends. Under a supervisor, SIGQUIT is the second one.
        """
        caught: list[int] = []

        def on_signal(number: int, frame: object) -> None:
            if number == signal.SIGTERM and caught and self.supervisor is not None:
                return  # from the supervisor, and from somebody who tells all processes
            event = give_up if caught or number == signal.SIGQUIT else stop
            caught.append(number)
            self.is_forced = event is give_up
            if loop.is_closed():
                return  # it is about to end
            if event is give_up:
                loop.call_soon_threadsafe(stop.set)
            if self.lifeline is not None:
                self.lifeline.stopping = True
            loop.call_soon_threadsafe(event.set)
            if event is stop:
                logger.info("stopping: finishing what is in flight")
            else:
                signal.setitimer(signal.ITIMER_REAL, FORCED_GRACE)

        forks.catch(signal.SIGALRM, lambda number, frame: self.leave(EXIT_FORCED))
        # Where sse-starlette looks for `should_exit`.
        setattr(on_signal, "__self__", self.worker)  # noqa: B010
        forks.catch(signal.SIGTERM, on_signal)
        if self.supervisor is None:
            forks.catch(signal.SIGINT, on_signal)
            forks.catch(signal.SIGUSR1, lambda number, frame: logs.reopen())
        else:
            forks.catch(signal.SIGQUIT, on_signal)
            self.supervisor.reopen_logs = logs.reopen

    def say_ready(self, loop: asyncio.AbstractEventLoop) -> None:
        lines = self.describe(loop)
        if self.supervisor is not None:
            self.supervisor.report_ready(lines)
            return
        for line in lines:
            logger.info(line)
        self.notifier.ready(f"listening on {', '.join(self.addresses())}")
        if self.lifeline is not None:
            self.lifeline.say_ready()

    def describe(self, loop: asyncio.AbstractEventLoop) -> list[str]:
        """What is served, where, and with what."""
        return banner(
            applications=[(one.target, kind_of(one), one.place) for one in self.applications],
            addresses=self.addresses(),
            threads=self.settings.threads,
            loop=loop_name(loop),
            compiled=is_compiled(),
            pid=os.getpid(),
            forced_pure=is_pure_forced(),
        )

    def addresses(self) -> list[str]:
        """Where clients reach it."""
        scheme = "https" if self.settings.ssl_certfile else "http"
        return [describe(sock, scheme) for sock in self.sockets]


def named(settings: Settings) -> str:
    """What is imported, for people."""
    targets = [settings.target, *(target for _, target in settings.mount), settings.websocket]
    return ", ".join(target for target in targets if target) or "the application"


def kind_of(application: Application) -> str | BothSides:
    """How it is called, as the banner says it."""
    app = application.app
    if isinstance(app, Hybrid):
        return BothSides(app.framework, app.websocket_target)
    return application.interface


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """What asyncio.run does at its end, but never waiting for a thread that does not come back."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close()


def leave(code: int) -> None:
    """End the process although application code is still running: joining its threads could take
    for ever."""
    names = sorted(
        thread.name
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and thread.name not in OURS
    )
    logger.warning(
        "left behind, still busy: %s", ", ".join(names) or "a task that ignores being cancelled"
    )
    end_process(code)


def end_process(code: int) -> NoReturn:
    """End it without a look at its threads, and without what they or `atexit` would still do."""
    logging.shutdown()
    flush_streams()
    os._exit(code)


def flush_streams() -> None:
    """Write what was printed and waits in a buffer."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # its reader has gone, or the application has closed it
