"""Memory that a rush has needed goes back to the system when it is over."""

import ctypes
import os
import subprocess
import sys

import pytest

from bascule.worker.trim import PAUSE, RUSH, Trimmer, resident

IDLE = 50_000_000

MEASURE = """
import os, threading
from bascule.worker.trim import trim

PAGE = os.sysconf("SC_PAGE_SIZE")

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE

made = []
def make():
    # As responses are, in threads with a heap each; the last of each stays, at the end of it.
    made.append([b"x" * 50_000 for _ in range(200)])

before = resident()
threads = [threading.Thread(target=make) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
most = resident()
made = [pieces[-1] for pieces in made]
trim()
print(before, most, resident())
"""


class Rush:
    """A trimmer on a machine of ours, and how often it has trimmed. memory: of the process."""

    def __init__(self) -> None:
        self.times = 0
        self.memory = IDLE
        self.trimmer = Trimmer(self.trim, lambda: self.memory)
        self.now = 0.0

    def trim(self) -> None:
        self.times += 1

    def look(self, unsent: int = 0, connections: int = 0, calls: int = 0) -> int:
        self.now += 0.25
        self.trimmer.look(unsent, connections, calls, self.now)
        return self.times


@pytest.mark.parametrize(
    "rush",
    [{"unsent": 2 * RUSH}, {"connections": 5000}, {"calls": 5000}],
    ids=["bytes", "connections", "calls"],
)
def test_once_when_a_rush_is_over(rush: dict[str, int]) -> None:
    one = Rush()
    one.memory = IDLE + 4 * RUSH
    assert one.look(**rush) == 0
    assert one.look(**{name: number // 2 for name, number in rush.items()}) == 0
    assert one.look() == 1
    one.memory = IDLE
    assert one.look() == 1
    one.now += PAUSE
    assert one.look() == 1


def test_a_rush_between_two_ticks() -> None:
    one = Rush()
    one.memory = IDLE + 2 * RUSH
    assert one.look() == 1


def test_what_is_no_rush_is_left_alone() -> None:
    one = Rush()
    one.memory = IDLE + RUSH - 1
    assert one.look(connections=500) == 0
    assert one.look() == 0


def test_what_the_application_keeps_is_no_second_rush() -> None:
    one = Rush()
    one.memory = IDLE + 2 * RUSH
    assert one.look() == 1
    one.now += PAUSE
    assert one.look() == 1


def test_rushes_that_follow_each_other_are_one() -> None:
    one = Rush()
    for _ in range(3):
        one.memory = IDLE + 2 * RUSH
        assert one.look() == 1
        one.memory = IDLE
        assert one.look() == 1
    one.now += PAUSE
    one.memory = IDLE + 2 * RUSH
    assert one.look() == 2


def test_nothing_is_done_where_memory_cannot_be_measured() -> None:
    one = Rush()
    one.memory = 0
    assert one.look(unsent=2 * RUSH) == 0
    assert one.look() == 0


def test_the_memory_of_a_process() -> None:
    assert resident() > 1_000_000
    assert resident(os.getpid()) > 1_000_000
    # The largest number of a process on Linux is below this.
    assert resident(2**22 + 1) == 0


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library has no malloc_trim"
)
def test_pages_go_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=30
    )
    before, most, after = map(int, done.stdout.split())
    assert most - before > 60_000_000
    assert after - before < (most - before) / 4
