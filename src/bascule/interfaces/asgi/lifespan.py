"""The lifespan protocol (ASGI lifespan specification 2.0): startup before the first request,
shutdown after the last.

    mode    application without lifespan support         startup that fails
    auto    goes on without                              stops the server, shown clearly
    on      stops the server                             stops the server
    off     is never asked

An application that raises before it has said anything does not support lifespan: that is how the
specification tells the two apart.
"""

import asyncio
import logging
from typing import Any

from bascule.errors import StartupError
from bascule.types import ASGI3App, Message

logger = logging.getLogger("bascule.lifespan")


class NotLifespan(RuntimeError):
    """The application answered a lifespan scope as if it were something else."""


class Lifespan:
    """One application's lifespan in one worker. `state` is what each request's scope gets a copy
    of."""

    def __init__(self, app: ASGI3App, mode: str = "auto") -> None:
        self.app = app
        self.mode = mode
        self.state: dict[str, Any] = {}
        self.supported = False
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._started: asyncio.Future[None] | None = None
        self._stopped: asyncio.Future[None] | None = None
        self._received = False
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Run the application's startup. Raises StartupError when it fails."""
        if self.mode == "off":
            return
        loop = asyncio.get_running_loop()
        self._started = loop.create_future()
        self._stopped = loop.create_future()
        self._to_app.put_nowait({"type": "lifespan.startup"})
        self._task = loop.create_task(self._run(), name="bascule lifespan")
        await asyncio.wait((self._started, self._task), return_when=asyncio.FIRST_COMPLETED)
        if self._started.done():
            self._started.result()
            self.supported = True
        else:
            self._judge_silence(self._task)

    def _judge_silence(self, task: "asyncio.Task[None]") -> None:
        """The application returned or raised without an answer to lifespan.startup."""
        error = task.exception()
        if self.mode == "on":
            raise StartupError(
                "--lifespan on, but the application does not support lifespan"
            ) from error
        if error is None or isinstance(error, NotLifespan) or not self._received:
            logger.debug("the application does not support lifespan")
            return
        # The specification asks to go on. That this was meant to be a startup is likely, so it is
        # not kept quiet.
        logger.warning(
            "the application raised during lifespan startup; it is served all the same "
            "(--lifespan on makes this fatal)",
            exc_info=error,
        )

    async def shutdown(self) -> None:
        """Run the application's shutdown; a failure is logged, because there is nothing left to
        stop."""
        if not self.supported or self._task is None or self._stopped is None:
            return
        self._to_app.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait((self._stopped, self._task), return_when=asyncio.FIRST_COMPLETED)
        error = self._stopped.exception() if self._stopped.done() else self._task.exception()
        if error is not None:
            logger.error("lifespan shutdown failed: %s", error, exc_info=error)
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def abandon(self) -> None:
        """Cancel what is left of the application's lifespan, whether it was shut down or not."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=1.0)

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
