"""The pool of threads survives what its calls do, whatever that is."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bascule.interfaces.wsgi import pool
from bascule.interfaces.wsgi.pool import ThreadPool
from support.flag import DEADLINE, Flag


class Call:
    """Runs `work` in its thread, and `flushed` on the loop."""

    def __init__(self, work: Callable[[], Any], flushed: Callable[[], Any] = lambda: None) -> None:
        self.run = work
        self.flush = flushed


def exits() -> None:
    raise SystemExit(3)


def interrupts() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("ends", [exits, interrupts])
def test_a_thread_outlives_whatever_a_call_raises(
    ends: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        pool = ThreadPool(1, asyncio.get_running_loop())
        flag = Flag()
        pool.submit(Call(ends))
        pool.submit(Call(flag.set))
        await flag.reached()
        assert len(pool.threads) == 1
        assert pool.threads[0].is_alive()
        pool.close()
        await asyncio.to_thread(pool.threads[0].join, DEADLINE)

    asyncio.run(main())
    assert "a call failed in thread bascule-1" in caplog.text


def test_one_that_fails_on_the_loop_holds_up_no_other() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        reported: list[Any] = []
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        pool = ThreadPool(1, loop)
        after = asyncio.Event()

        def fails() -> None:
            raise LookupError("of the transport")

        for flushed in (fails, fails, after.set):
            pool.post(Call(lambda: None, flushed))
        await asyncio.wait_for(after.wait(), DEADLINE)
        assert [str(error) for error in reported] == ["of the transport"] * 2
        # The way back is open still.
        after.clear()
        pool.post(Call(lambda: None, after.set))
        await asyncio.wait_for(after.wait(), DEADLINE)

    asyncio.run(main())


def test_a_system_without_threads_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "TRY_AGAIN_AFTER", 0.01)
    start = threading.Thread.start
    refusals = [RuntimeError("can't start new thread")] * 2

    def sometimes(thread: threading.Thread) -> None:
        if refusals:
            raise refusals.pop()
        start(thread)

    async def main() -> None:
        monkeypatch.setattr(threading.Thread, "start", sometimes)
        pool = ThreadPool(1, asyncio.get_running_loop())
        flag = Flag()
        pool.submit(Call(flag.set))
        await flag.reached()
        pool.close()
        monkeypatch.undo()
        await asyncio.to_thread(pool.threads[0].join, DEADLINE)

    asyncio.run(main())
    assert caplog.text.count("cannot start a thread, 0 of at most 1 run") == 2
