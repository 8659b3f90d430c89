"""Signals between a test and its application, each in a thread of its own."""

import asyncio
from concurrent.futures import Future
from typing import Any

DEADLINE = 10.0


class Flag:
    """Something that happens once, on one side; the other side waits for it.

    started = Flag()
    async def app(...):  started.set(scope)        # from any thread, never blocks
    started.wait()                                 # in a thread: blocks, up to a deadline
    await started.reached()                        # on a loop
    """

    def __init__(self) -> None:
        self._future: Future[Any] = Future()

    @property
    def is_set(self) -> bool:
        return self._future.done()

    def set(self, value: object = None) -> None:
        self._future.set_result(value)

    def wait(self, deadline: float = DEADLINE) -> Any:
        """Block until it is set; returns its value. Raises TimeoutError."""
        return self._future.result(deadline)

    async def reached(self) -> Any:
        """The same on a loop. Giving up waiting leaves the flag as it is."""
        async with asyncio.timeout(DEADLINE):
            return await asyncio.shield(asyncio.wrap_future(self._future))
