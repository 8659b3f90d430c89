"""The lifespan protocol (ASGI lifespan specification 2.0): startup before the first request, and
shutdown after the last.

    mode    application without lifespan support         startup that fails
    auto    is served without                            stops the server with an error
    on      stops the server with an error               stops the server with an error
    off     is called for requests only

An application that raises before it has sent anything does not support lifespan: that is how the
specification tells the two apart.

The server uses this, and the adapter that stands in for one (`bascule.adapters.background`).
"""

import asyncio
import logging
from contextvars import Context
from typing import Any

from bascule.errors import StartupError
from bascule.types import ASGI3App, Message

logger = logging.getLogger("bascule.lifespan")

INSIST = " (--lifespan on makes this fatal)"
# Seconds for a task that has been cancelled: it may refuse to end.
CANCELLED = 1.0


class NotLifespan(RuntimeError):
    """The application answered a lifespan scope as if it were another scope."""


class Lifespan:
    """The lifespan of one application in one event loop.

    app: the application.
    mode: "auto", "on" or "off", see above.
    hint: appended to the warning about an application that raised.
    state: filled by the application; the scope of each request gets a copy.
    supported: whether startup is complete, so that there will be a shutdown.
    """

    def __init__(self, app: ASGI3App, mode: str = "auto", hint: str = INSIST) -> None:
        self.app = app
        self.mode = mode
        self.hint = hint
        self.state: dict[str, Any] = {}
        self.supported = False
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._started: asyncio.Future[None] | None = None
        self._stopped: asyncio.Future[None] | None = None
        self._received = False
        self._task: asyncio.Task[None] | None = None

    async def startup(self, context: Context | None = None) -> None:
        """Run the application's startup. Raises StartupError when it fails.

        context: for the application; a copy of the current one if it is None.
        """
        if self.mode == "off":
            return
        loop = asyncio.get_running_loop()
        self._started = loop.create_future()
        self._stopped = loop.create_future()
        self._to_app.put_nowait({"type": "lifespan.startup"})
        self._task = loop.create_task(self._run(), name="bascule lifespan", context=context)
        await asyncio.wait((self._started, self._task), return_when=asyncio.FIRST_COMPLETED)
        if self._started.done():
            self._started.result()
            self.supported = True
        else:
            self._judge_silence(self._task)

    def _judge_silence(self, task: "asyncio.Task[None]") -> None:
        """Judge an application that has returned or raised without an answer to
        lifespan.startup."""
        error = error_of(task)
        if self.mode == "on":
            raise StartupError(
                "--lifespan on, but the application does not support lifespan"
            ) from error
        if error is None or isinstance(error, NotLifespan) or not self._received:
            logger.debug("the application does not support lifespan")
            return
        # The specification requires to serve it. A startup that failed is the likely cause,
        # so the error is logged.
        logger.warning(
            "the application raised during lifespan startup; it is served all the same%s",
            self.hint,
            exc_info=error,
        )

    async def shutdown(self, grace: float = 0.0) -> None:
        """Run the application's shutdown. A failure is logged, because there is nothing left to
        stop.

        grace: seconds in which the application may end after its answer, before it is cancelled.
        """
        if not self.supported or self._task is None or self._stopped is None:
            return
        self._to_app.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait((self._stopped, self._task), return_when=asyncio.FIRST_COMPLETED)
        error = self._stopped.exception() if self._stopped.done() else error_of(self._task)
        if error is not None:
            logger.error("lifespan shutdown failed: %s", error, exc_info=error)
        if grace:
            await asyncio.wait((self._task,), timeout=grace)
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def abandon(self, grace: float = 0.0) -> None:
        """Cancel the rest of the application's lifespan, after a shutdown or without one.

        grace: as of `shutdown`.
        """
        if self._task is not None:
            if grace:
                await asyncio.wait((self._task,), timeout=grace)
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=CANCELLED)

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        await self.app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        message = await self._to_app.get()
        self._received = True
        return message

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        future, failed = {
            "lifespan.startup.complete": (self._started, False),
            "lifespan.startup.failed": (self._started, True),
            "lifespan.shutdown.complete": (self._stopped, False),
            "lifespan.shutdown.failed": (self._stopped, True),
        }.get(kind, (None, False))
        early = future is self._stopped and self._started is not None and not self._started.done()
        if future is None or future.done() or early:
            raise NotLifespan(f"{kind!r} is not expected in the lifespan here")
        if failed:
            text = message.get("message", "")
            phase = kind.split(".")[1]
            future.set_exception(
                StartupError(f"lifespan {phase} failed{': ' + text if text else ''}")
            )
        else:
            future.set_result(None)


def error_of(task: "asyncio.Task[None]") -> BaseException | None:
    """Return what a task that is done has raised. A task that was cancelled has cancelled itself:
    `Task.exception` would raise its CancelledError here, as if the server were cancelled."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()
