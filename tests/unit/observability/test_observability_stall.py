"""The judgement whether the loop is blocked, on a clock that only the test moves."""

import logging

import pytest

from bascule.observability.stall import MOST_SILENCE, LoopWatch, Watchdog
from support.flag import DEADLINE, Flag

AFTER = 5.0
TICK = 0.25


class Life:
    """A loop that ticks or does not, and the watch that checks it once a second."""

    def __init__(self):
        self.now = 1000.0
        self.cpu = 10.0
        self.watch = LoopWatch(AFTER, 1.0, lambda: "  where it is")
        self.watch.begin(self.now, self.cpu)

    def run(self, seconds):
        """The loop comes round."""
        for _ in range(round(seconds)):
            self.now += 1.0
            self.watch.beat(self.now, self.now + TICK)
            self.watch.look(self.now, self.cpu)

    def block(self, seconds):
        """It does not; the watch is woken all the same."""
        for _ in range(round(seconds)):
            self.now += 1.0
            self.watch.look(self.now, self.cpu)

    def vanish(self, seconds, busy=False):
        """No thread runs."""
        self.now += seconds
        if busy:
            self.cpu += seconds


@pytest.fixture
def life():
    life = Life()
    life.run(3)
    return life


def lines(caplog):
    return [one.getMessage() for one in caplog.records]


def test_a_loop_that_ticks_is_not_heard_of(life, caplog):
    life.run(1000)
    assert lines(caplog) == []
    assert not life.watch.stalled


def test_a_short_block_is_not_heard_of(life, caplog):
    life.block(5)
    life.run(2)
    assert lines(caplog) == []


def test_a_block_is_told_while_it_lasts_and_when_it_is_over(life, caplog):
    life.block(6)
    (line,) = lines(caplog)
    assert line.startswith("the event loop is blocked for 5.8 s now")
    assert line.endswith("\n  where it is")
    assert life.watch.stalled
    life.block(1)
    life.run(1)
    assert not life.watch.stalled
    assert lines(caplog)[1:] == ["the event loop runs again; it was blocked for 7.8 s"]


def test_a_long_block_is_told_again_rarely(life, caplog):
    life.block(24)
    assert len(lines(caplog)) == 3
    life.block(3600)
    assert len(lines(caplog)) <= 3 + 3600 / MOST_SILENCE + 1
    life.run(10)
    assert "runs again" in lines(caplog)[-1]
    assert sum("runs again" in line for line in lines(caplog)) == 1


def test_a_second_block_is_told_like_the_first(life, caplog):
    for _ in range(2):
        life.block(6)
        life.run(3)
    assert [line.split(" now")[0] for line in lines(caplog)] == [
        "the event loop is blocked for 5.8 s",
        "the event loop runs again; it was blocked for 6.8 s",
    ] * 2


def test_a_machine_that_slept_is_no_block(life, caplog):
    """SIGSTOP and SIGCONT, or a laptop that was closed: the watch was not there either."""
    life.vanish(3600)
    life.block(1)
    life.run(3)
    assert lines(caplog) == []


def test_a_sleep_before_the_first_look_is_no_block(caplog):
    life = Life()
    life.watch.beat(life.now, life.now + TICK)
    life.vanish(100)
    life.block(1)
    life.run(3)
    assert lines(caplog) == []


def test_after_a_sleep_the_loop_has_its_whole_time(life, caplog):
    life.vanish(100)
    life.block(5)
    assert lines(caplog) == []
    life.block(2)
    assert "is blocked for" in lines(caplog)[0]


def test_who_holds_the_interpreters_lock_is_told_afterwards(life, caplog):
    life.vanish(30, busy=True)
    life.block(1)
    assert lines(caplog) == [
        "nothing else ran for 30.0 s while a thread computed: something holds the "
        "interpreter's lock"
    ]


def test_before_its_first_tick_a_loop_is_not_judged(caplog):
    life = Life()
    life.block(100)
    assert lines(caplog) == []


def test_the_thread_looks_and_tells(caplog):
    asked = Flag()

    def where():
        if not asked.is_set:
            asked.set()
        return "  somewhere"

    watchdog = Watchdog(0.1, where)
    watchdog.watch.beat(1.0, 1.0)
    watchdog.start()
    asked.wait()
    assert watchdog.watch.stalled
    watchdog.stop()
    watchdog._thread.join(DEADLINE)
    assert not watchdog._thread.is_alive()
    assert caplog.records[0].levelno == logging.WARNING
    assert "somewhere" in lines(caplog)[0]
