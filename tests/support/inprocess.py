"""Serves an application in the process of the tests, so that both sides can talk.

    with Served(app, "asyncio", threads=2) as served:
        client = served.connect()
        assert client.request("GET", "/").status == 200

The server runs in a loop of its own in a thread of its own. At the end it must come to rest once
its clients have gone, stop, and leave nothing behind: no connection, no running application, no
task, no thread, no exception in the loop, and no line of WARNING or above in its log that the test
did not take with `taken_log`.
"""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from bascule import Server
from bascule.loop import new_event_loop
from bascule.worker.plan import connection_plan, without_last_call
from bascule.worker.worker import Worker
from support.client import Http1Client
from support.flag import DEADLINE

# A test that fails leaves its application hanging: it should not wait for it as production would.
GRACEFUL_STOP = 2.0


class LogWatch(logging.Handler):
    """Keeps the server's lines of WARNING and above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {self.format(record)}")


class ServerUnderTest(Server):
    """A server with deadlines that no setting changes, and with an access log."""

    deadlines: Mapping[str, float]
    access: Any

    def _make_worker(self, sockets: Sequence[socket.socket]) -> Worker:
        plan = without_last_call(connection_plan(self.settings))
        return Worker(
            self._applications,
            self.settings,
            sockets,
            self.access,
            plan=replace(plan, deadlines=replace(plan.deadlines, **self.deadlines)),
        )


class Served:
    """An application that is being served. `port` is where, `hub` what its connections share.

    loop: "uvloop" or "asyncio". protocol: the class of client that `connect` makes. tls: the
    context of the clients, for a server given certificates. listener: a bound socket to use, which
    stays the caller's to close. deadlines: those that no setting changes, by name. access: an
    access log. options: settings of the server.
    """

    def __init__(
        self,
        app: object,
        loop: str = "auto",
        protocol: Callable[..., Any] = Http1Client,
        tls: ssl.SSLContext | None = None,
        listener: socket.socket | None = None,
        deadlines: Mapping[str, float] | None = None,
        access: Any = None,
        **options: Any,
    ) -> None:
        self.tls = tls
        self.protocol = protocol
        self.clients: list[Any] = []
        self.hub: Any = None
        self.trouble: list[dict[str, Any]] = []
        self._app = app
        self._loop_kind = loop
        self._options = {"timeout_graceful_shutdown": GRACEFUL_STOP, **options}
        self._log = LogWatch()
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._deadlines = dict(deadlines or {})
        self._access = access
        self._is_own_listener = listener is None
        self.port: int = self._listener.getsockname()[1] if self._is_own_listener else 0
        self._stop_wanted = asyncio.Event()
        self._stop_now = False
        self._app_threads: list[threading.Thread] = []
        self._is_closed = False
        self._started: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, name="served application", daemon=True)

    # In the test's thread.

    def start(self) -> Self:
        """Start, and wait until it serves. Raises what the server's `start` raises."""
        logging.getLogger("bascule").addHandler(self._log)
        self._thread.start()
        self._started.result(DEADLINE)
        return self

    def start_in_background(self) -> "Future[None]":
        """Start without waiting; the future is done when it serves."""
        logging.getLogger("bascule").addHandler(self._log)
        self._thread.start()
        return self._started

    def connect(self, **options: Any) -> Any:
        """A new connection; closed at the end if the test does not."""
        client = self.protocol(self.port, self.tls, **options)
        self.clients.append(client)
        return client

    def request(self, method: str, target: str = "/", *args: Any, **kwargs: Any) -> Any:
        """One request on a connection of its own."""
        client = self.connect()
        try:
            return client.request(method, target, *args, **kwargs)
        finally:
            client.close()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the server's loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE)

    def wait_until_quiet(self) -> None:
        """Wait until the server has noticed by itself that all clients have disconnected."""
        self.run(self._until(lambda: bool(self.hub.quiet)))

    def wait_until_unconnected(self) -> None:
        """Wait until the last connection is gone; applications may still run."""
        self.run(self._until(lambda: not self.hub.connections))

    def wait_until_idle(self) -> None:
        """Wait until no application runs; connections may still be open."""
        self.run(self._until(lambda: not self.hub.interface.count_running()))

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that is seen on the server's loop."""
        self.run(self._until(condition))

    def logged(self, words: str) -> bool:
        """Whether that is in what `taken_log` would return."""
        return any(words in line for line in self._log.lines)

    def taken_log(self) -> str:
        """The lines that the server has logged since the last call; the test has to check them."""
        lines, self._log.lines = self._log.lines, []
        return "\n".join(lines)

    def begin_stop(self) -> None:
        """Tell the server to stop, as SIGTERM would; `close` waits for it."""
        self.loop.call_soon_threadsafe(self._stop_wanted.set)

    def wait_until_ended(self) -> None:
        """Wait until the server has stopped. Raises what was left behind."""
        self._ended.result(DEADLINE)

    def close(self, *, settle: bool = True) -> None:
        """Stop, and see that nothing is left. Without `settle` requests may be under way."""
        if self._is_closed:
            return
        for client in self.clients:
            client.close()
        try:
            if settle and self.hub is not None and not self._stop_wanted.is_set():
                self.wait_until_quiet()
        finally:
            self._end()
        self._ended.result()
        for thread in self._app_threads:
            thread.join(DEADLINE)
            assert not thread.is_alive(), f"{thread.name} is left"
        assert self.taken_log() == ""
        assert self.trouble == []

    def abandon(self) -> None:
        """Stop at once and ask nothing: the test has failed already."""
        if self._is_closed:
            return
        for client in self.clients:
            client.close()
        self._stop_now = True
        self._end()

    def _end(self) -> None:
        self._is_closed = True
        try:
            if self._started.exception(DEADLINE) is None and not self._ended.done():
                self.begin_stop()
            self._thread.join(DEADLINE)
            assert not self._thread.is_alive(), "the server does not stop"
        finally:
            if self._is_own_listener:
                self._listener.close()
            logging.getLogger("bascule").removeHandler(self._log)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    # In the server's thread.

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=partial(new_event_loop, self._loop_kind)) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _, context: self.trouble.append(context))
        self.server = ServerUnderTest(self._app, sockets=[self._listener], **self._options)
        self.server.deadlines = self._deadlines
        self.server.access = self._access
        try:
            await self.server.start()
        except BaseException as error:
            self._started.set_exception(error)
        else:
            assert self.server._worker is not None
            self.hub = self.server._worker.hub
            self._started.set_result(None)
            await self._stop_wanted.wait()
            await self._stop()
            self._app_threads = threads_of(self.hub.interface)
        if not self._stop_now:
            self._check_leaks()

    async def _stop(self) -> None:
        stopping = [asyncio.create_task(self.server.stop())]
        if self._stop_now:
            stopping.append(asyncio.create_task(self.server.stop()))
        await asyncio.gather(*stopping)

    def _check_leaks(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert left == set(), "tasks are left"
        if self.hub is not None:
            assert self.hub.connections == set()
            assert self.hub.websockets == 0
            assert self.hub.interface.count_running() == 0
            assert self.hub.interface.switched == 0

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE / 2):
            while not condition():
                # A turn of the loop: nothing says when the last connection is forgotten.
                await asyncio.sleep(0)


def threads_of(interface: Any) -> list[threading.Thread]:
    """The threads of its WSGI applications."""
    found: list[threading.Thread] = []
    for one in getattr(interface, "interfaces", [interface]):
        for name in ("pool", "socket_pool"):
            pool = getattr(one, name, None)
            found += pool.threads if pool is not None else []
    return found
