"""Numbers that workers publish in shared memory: no file, no lock, no system call.

A `Board` is made before the first fork. Each worker has a `Slot` of it, whose numbers it alone
writes; all processes may read them. A number is eight aligned bytes, so a reader sees the old or
the new one, never half of each.
"""

import errno
import mmap
import time

# The fields of a slot.
HEARTBEAT = 0  # nanoseconds of the monotonic clock, which is the same in all processes
REQUESTS = 1  # how many were begun
CONNECTIONS = 2  # how many are open, or being set up
RUNNING = 3  # requests in progress
ACCEPTING = 4  # 1 while new connections are accepted
STUCK = 5  # calls of the application that were asked to end, and have not
FIELDS = 8  # one cache line, which no two workers share

# In the first line: the highest slot that was ever taken. Slots beyond it are not read.
USED = 0

# Nanoseconds. A worker without a sign of life for longer, four times the usual, does not count.
ALIVE = 1_000_000_000

# Workers of one supervisor at once, including those that are leaving. A page holds 64 slots, and a
# page that is never touched takes no memory.
MOST_SLOTS = 1023


class Board:
    """The shared memory, as the supervisor has it; workers get their slots."""

    def __init__(self, slots: int = MOST_SLOTS) -> None:
        self._memory = mmap.mmap(-1, (slots + 1) * FIELDS * 8)
        self.numbers = memoryview(self._memory).cast("q")
        self._free = list(range(slots, 0, -1))

    def take(self) -> "Slot":
        """Return a slot whose numbers are all 0. Raises OSError when all slots are taken."""
        if not self._free:
            raise OSError(errno.EAGAIN, "there are as many workers as there may be")
        index = self._free.pop()
        start = index * FIELDS
        self.numbers[start : start + FIELDS] = memoryview(bytes(FIELDS * 8)).cast("q")
        self.numbers[USED] = max(self.numbers[USED], index)
        return Slot(self.numbers, index)

    def give_back(self, slot: "Slot") -> None:
        """Free the slot of a worker that has ended."""
        slot.accepting = False
        self._free.append(slot.index)


class Slot:
    """The numbers of one worker."""

    __slots__ = ("_start", "index", "numbers")

    def __init__(self, numbers: "memoryview[int]", index: int) -> None:
        self.numbers = numbers
        self.index = index
        self._start = index * FIELDS

    def beat(self) -> None:
        """Give a sign of life."""
        self.numbers[self._start + HEARTBEAT] = time.monotonic_ns()

    def silent_for(self) -> float | None:
        """Return the seconds since the last sign of life; None before the first."""
        beat = self.numbers[self._start + HEARTBEAT]
        return (time.monotonic_ns() - beat) / 1e9 if beat else None

    @property
    def requests(self) -> int:
        """How many requests were begun."""
        return self.numbers[self._start + REQUESTS]

    @requests.setter
    def requests(self, count: int) -> None:
        self.numbers[self._start + REQUESTS] = count

    @property
    def connections(self) -> int:
        """How many connections are open, or being set up."""
        return self.numbers[self._start + CONNECTIONS]

    @connections.setter
    def connections(self, count: int) -> None:
        self.numbers[self._start + CONNECTIONS] = count

    @property
    def running(self) -> int:
        """How many requests are in progress."""
        return self.numbers[self._start + RUNNING]

    @running.setter
    def running(self, count: int) -> None:
        self.numbers[self._start + RUNNING] = count

    @property
    def stuck(self) -> int:
        """How many calls of the application were asked to end, and have not."""
        return self.numbers[self._start + STUCK]

    @stuck.setter
    def stuck(self, count: int) -> None:
        self.numbers[self._start + STUCK] = count

    @property
    def accepting(self) -> bool:
        """Whether the worker accepts new connections."""
        return bool(self.numbers[self._start + ACCEPTING])

    @accepting.setter
    def accepting(self, accepts: bool) -> None:
        self.numbers[self._start + ACCEPTING] = accepts

    def fewest_elsewhere(self) -> int | None:
        """Return the smallest number of connections among the other workers that accept new ones
        and are alive; None where there is no other."""
        numbers = self.numbers
        alive = time.monotonic_ns() - ALIVE
        fewest = None
        for start in range(FIELDS, (numbers[USED] + 1) * FIELDS, FIELDS):
            if (
                start != self._start
                and numbers[start + ACCEPTING]
                and numbers[start + HEARTBEAT] > alive
            ):
                count = numbers[start + CONNECTIONS]
                if fewest is None or count < fewest:
                    fewest = count
        return fewest
