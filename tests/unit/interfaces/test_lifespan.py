"""The lifespan protocol by itself; tests/contract has it in a server."""

import asyncio
from typing import Any

import pytest

from bascule.errors import StartupError
from bascule.interfaces.asgi.lifespan import Lifespan


async def cancels_itself(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    raise asyncio.CancelledError


async def cancels_itself_at_the_end(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await cancels_itself(scope, receive, send)


def test_an_application_that_cancels_itself_does_not_cancel_the_server(caplog: Any) -> None:
    lifespan = Lifespan(cancels_itself, hint="")
    asyncio.run(lifespan.startup())
    assert not lifespan.supported
    assert caplog.messages == [
        "the application raised during lifespan startup; it is served all the same"
    ]


def test_with_mode_on_it_is_an_application_without_lifespan() -> None:
    with pytest.raises(StartupError, match="does not support lifespan"):
        asyncio.run(Lifespan(cancels_itself, "on").startup())


def test_a_shutdown_that_cancels_itself_is_logged(caplog: Any) -> None:
    async def live() -> None:
        lifespan = Lifespan(cancels_itself_at_the_end)
        await lifespan.startup()
        assert lifespan.supported
        await lifespan.shutdown()

    asyncio.run(live())
    assert "lifespan shutdown failed" in caplog.text


@pytest.mark.parametrize("grace", [0.0, 30.0])
def test_an_application_may_end_by_itself_after_its_answer(grace: float) -> None:
    ended = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        # More turns of the loop than the server needs to notice the answer.
        for _ in range(10):
            await asyncio.sleep(0)
        ended.append(True)

    async def live() -> None:
        lifespan = Lifespan(app)
        await lifespan.startup()
        await lifespan.shutdown(grace)

    asyncio.run(live())
    assert ended == ([True] if grace else [])
