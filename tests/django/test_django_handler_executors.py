"""The threads that are lent, without Django. Time is real here, but nothing waits longer than for
a thread to answer."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bascule.django.handlers.executors import IDLE_AFTER, TURNS, Lease, ThreadLeases

DEADLINE = 10


@pytest.fixture
def pool() -> Iterator[ThreadLeases]:
    pool = ThreadLeases(2)
    yield pool
    pool.close()
    assert pool.count() == 0, "a lease was not given back"


def ident_of(lease: Lease) -> int:
    ident: int = lease.submit(threading.get_ident).result(DEADLINE)
    return ident


def occupy(lease: Lease) -> tuple[threading.Event, Any]:
    """A call that continues until the event is set."""
    entered, go_on = threading.Event(), threading.Event()

    def call() -> None:
        entered.set()
        go_on.wait(DEADLINE)

    future = lease.submit(call)
    assert entered.wait(DEADLINE)
    return go_on, future


def test_a_lease_keeps_its_thread(pool: ThreadLeases) -> None:
    first, second = pool.lease(), pool.lease()
    assert ident_of(first) == ident_of(first) != ident_of(second) != threading.get_ident()
    first.close()
    second.close()


def test_a_thread_is_lent_again(pool: ThreadLeases) -> None:
    idents = set()
    for _ in range(5):
        lease = pool.lease()
        idents.add(ident_of(lease))
        lease.close()
    assert len(idents) == 1


def test_no_call_takes_no_thread(pool: ThreadLeases) -> None:
    lease = pool.lease()
    lease.opening = lease.closing = lambda: pytest.fail("there was no call")
    assert lease.close() is None
    assert pool.count() == 0


def test_a_closed_lease_refuses(pool: ThreadLeases) -> None:
    lease = pool.lease()
    lease.close()
    with pytest.raises(RuntimeError, match="over"):
        lease.submit(print)


def test_exceptions_reach_the_future(pool: ThreadLeases) -> None:
    lease = pool.lease()
    with pytest.raises(ZeroDivisionError):
        lease.submit(lambda: 1 / 0).result(DEADLINE)
    lease.close()


def test_opening_and_closing_surround_the_calls(pool: ThreadLeases) -> None:
    seen: list[str] = []
    lease = pool.lease()
    lease.opening = lambda: seen.append("opening")
    lease.closing = lambda: seen.append("closing")
    lease.submit(seen.append, "one").result(DEADLINE)
    lease.submit(seen.append, "two").result(DEADLINE)
    lease.close()
    after = pool.lease()
    after.submit(seen.append, "after").result(DEADLINE)
    after.close()
    assert seen == ["opening", "one", "two", "closing", "after"]


def test_an_opening_that_fails_is_logged(
    pool: ThreadLeases, caplog: pytest.LogCaptureFixture
) -> None:
    lease = pool.lease()
    lease.opening = lambda: 1 / 0
    assert lease.submit(lambda: "all the same").result(DEADLINE) == "all the same"
    lease.close()
    assert "ZeroDivisionError" in caplog.text


def test_leases_wait_in_their_order(pool: ThreadLeases) -> None:
    busy = [pool.lease(), pool.lease()]
    events = [occupy(lease)[0] for lease in busy]
    seen: list[int] = []
    waiting = [pool.lease() for _ in range(4)]
    futures = [lease.submit(seen.append, number) for number, lease in enumerate(waiting)]
    assert pool.count() == 2
    assert not any(future.done() for future in futures)
    events[0].set()
    busy[0].submit(int).result(DEADLINE)
    busy[0].close()
    for future, lease in zip(futures, waiting, strict=True):
        future.result(DEADLINE)
        lease.close()
    assert seen == [0, 1, 2, 3]
    events[1].set()
    busy[1].submit(int).result(DEADLINE)
    busy[1].close()


def test_what_waits_is_cancelled_by_close(pool: ThreadLeases) -> None:
    busy = [pool.lease(), pool.lease()]
    events = [occupy(lease)[0] for lease in busy]
    waiting = pool.lease()
    future = waiting.submit(print)
    assert waiting.close() is None
    assert future.cancelled()
    for event, lease in zip(events, busy, strict=True):
        event.set()
        lease.submit(int).result(DEADLINE)
        lease.close()


def test_a_cancelled_call_does_not_run(pool: ThreadLeases) -> None:
    lease = pool.lease()
    go_on, _ = occupy(lease)
    future = lease.submit(pytest.fail, "it was cancelled")
    assert future.cancel()
    go_on.set()
    lease.submit(int).result(DEADLINE)
    lease.close()


def test_a_thread_goes_back_when_its_call_returns(pool: ThreadLeases) -> None:
    lease = pool.lease()
    go_on, _ = occupy(lease)
    vacated = lease.close()
    assert vacated is not None
    assert not vacated.cancel()
    other, third = pool.lease(), pool.lease()
    ident_of(other)
    waiting = third.submit(threading.get_ident)
    assert not waiting.done()
    go_on.set()
    vacated.result(DEADLINE)
    waiting.result(DEADLINE)
    other.close()
    third.close()


def test_idle_threads_do_not_count(pool: ThreadLeases) -> None:
    retired: list[int] = []
    pool.on_retire = lambda: retired.append(threading.get_ident())

    async def main() -> None:
        idle = [pool.lease(), pool.lease()]
        for lease in idle:
            ident_of(lease)
        lease = pool.lease()
        # Nothing tells of it but time.
        async with asyncio.timeout(DEADLINE):
            ident = await asyncio.wrap_future(lease.submit(threading.get_ident))
        assert pool.count() == 3
        # The next one need not wait for it again.
        lease.close()
        assert pool.count() == 2
        for held in idle:
            held.close()
        assert IDLE_AFTER < DEADLINE
        while not retired:
            await asyncio.sleep(0.001)
        assert retired == [ident]

    asyncio.run(main())


def test_a_loop_that_is_behind_makes_no_thread_idle(pool: ThreadLeases) -> None:
    """The request would have gone on, had it had its turn."""

    async def main() -> None:
        held = [pool.lease(), pool.lease()]
        idents = [ident_of(lease) for lease in held]
        lease = pool.lease()
        waiting = asyncio.wrap_future(lease.submit(threading.get_ident))
        time.sleep(2 * IDLE_AFTER)
        for _ in range(TURNS // 2):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert pool.count() == 2
        held[0].close()
        async with asyncio.timeout(DEADLINE):
            assert await waiting == idents[0]
        assert pool.count() == 2
        lease.close()
        held[1].close()

    asyncio.run(main())


@pytest.mark.parametrize("error", [LookupError("x"), SystemExit(3)])
def test_what_goes_wrong_between_requests_is_told_and_costs_no_thread(
    pool: ThreadLeases, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    lease = pool.lease()
    lease.opening = lease.closing = fail
    ident = ident_of(lease)
    lease.close()
    other = pool.lease()
    assert ident_of(other) == ident
    other.close()
    assert caplog.text.count("failed in a thread that is between two requests") == 2


def test_a_pool_has_a_thread() -> None:
    with pytest.raises(ValueError, match="not 0"):
        ThreadLeases(0)
