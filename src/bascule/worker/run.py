"""One process from its settings to its exit code: what `bascule serve` does.

SIGTERM, SIGINT     drain, then exit 0
the same again      stop at once, exit 1
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence

from bascule.interfaces.application import Application
from bascule.interfaces.hybrid import Hybrid
from bascule.interfaces.locate import load_target
from bascule.loop import loop_name, new_event_loop
from bascule.observability import logs
from bascule.observability.access import AccessLog
from bascule.observability.banner import BothSides, banner
from bascule.settings import Settings
from bascule.sockets.bind import close_listeners, describe, open_listeners
from bascule.speed import is_compiled, is_pure_forced
from bascule.worker.applications import Load, find_applications
from bascule.worker.worker import Worker

logger = logging.getLogger("bascule")

EXIT_OK = 0
EXIT_FORCED = 1
# After a second signal: as long as it takes to close connections and let go of the loop.
FORCED_GRACE = 1.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(
    settings: Settings,
    sockets: Sequence[socket.socket] | None = None,
    app: object = None,
    mounts: Mapping[str, object] | None = None,
    websocket: object = None,
    load: Load = load_target,
) -> int:
    """Serve until a signal says stop; returns the exit code.

    sockets: listening sockets to use instead of the settings' addresses; the caller closes them.
    app: the application, instead of the settings' target. mounts, websocket: further ones.
    load: finds what a TARGET names.
    Raises UsageError or StartupError before anything is served.
    """
    occupy_standard_descriptors()
    logs.configure(settings.log_level, settings.log_format, settings.log_config, settings.debug)
    for name, value in settings.app_environment.items():
        os.environ.setdefault(name, value)
    opened = open_listeners(settings.addresses, settings.backlog) if sockets is None else []
    try:
        # Outside the loop: Django's ORM refuses to work where one is running, and imports may use
        # it.
        applications = find_applications(settings, app, mounts, websocket, load)
        if settings.log_config is None:
            logs.survive_application()
        return Process(settings, applications, sockets or opened, opened).run()
    finally:
        close_listeners(opened)


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

    sockets: to serve on. opened: those of them to close when it stops; emptied then.
    """

    def __init__(
        self,
        settings: Settings,
        applications: Sequence[Application],
        sockets: Sequence[socket.socket],
        opened: list[socket.socket],
    ) -> None:
        self.settings = settings
        self.applications = applications
        self.sockets = sockets
        self.opened = opened
        self.access = (
            AccessLog(settings.log_format, settings.debug) if settings.access_log else None
        )
        self.worker = Worker(applications, settings, sockets, self.access)

    def run(self) -> int:
        """Run the loop from start to drained."""
        loop = new_event_loop(self.settings.loop)
        asyncio.set_event_loop(loop)
        try:
            code = loop.run_until_complete(self.main(loop))
        except BaseException:
            close_loop(loop)
            raise
        if self.worker.left_running:
            leave(code)
        close_loop(loop)
        return code

    async def main(self, loop: asyncio.AbstractEventLoop) -> int:
        stop = asyncio.Event()
        give_up = asyncio.Event()
        await self.worker.start()
        self.catch_signals(loop, stop, give_up)
        self.say_ready(loop)
        # What is here now stays: looking through it again and again for garbage would be for
        # nothing.
        gc.collect()
        gc.freeze()
        await stop.wait()
        self.worker.stop_accepting()
        close_listeners(self.opened)
        self.opened.clear()
        await self.worker.drain(give_up)
        logger.info("stopped")
        return EXIT_FORCED if give_up.is_set() else EXIT_OK

    def catch_signals(
        self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event, give_up: asyncio.Event
    ) -> None:
        """The first signal sets `stop`, the next `give_up`; if nobody hears that, the process
        ends.
        """
        caught: list[int] = []

        def on_signal(number: int, frame: object) -> None:
            event = give_up if caught else stop
            caught.append(number)
            loop.call_soon_threadsafe(event.set)
            if event is stop:
                logger.info("stopping: finishing what is in flight")
            else:
                signal.setitimer(signal.ITIMER_REAL, FORCED_GRACE)

        signal.signal(signal.SIGALRM, lambda number, frame: leave(EXIT_FORCED))
        for number in STOP_SIGNALS:
            signal.signal(number, on_signal)

    def say_ready(self, loop: asyncio.AbstractEventLoop) -> None:
        scheme = "https" if self.settings.ssl_certfile else "http"
        for line in banner(
            applications=[(one.target, kind_of(one), one.place) for one in self.applications],
            addresses=[describe(sock, scheme) for sock in self.sockets],
            threads=self.settings.threads,
            loop=loop_name(loop),
            compiled=is_compiled(),
            pid=os.getpid(),
            forced_pure=is_pure_forced(),
        ):
            logger.info(line)


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
        thread.name for thread in threading.enumerate() if thread is not threading.main_thread()
    )
    logger.warning(
        "left behind, still busy: %s", ", ".join(names) or "a task that ignores being cancelled"
    )
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
