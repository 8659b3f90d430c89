"""What processes tell each other by memory that they share: no file, no lock, no system call.

A `Board` is made before the first fork. Each worker has a `Slot` of it, whose numbers it alone
writes; everybody may read them. A number is eight octets that lie aligned, so a reader sees the
old or the new one, never half of each.
"""

import errno
import mmap
import time

# The fields of a slot.
HEARTBEAT = 0  # nanoseconds of the monotonic clock, which is the same in all processes
REQUESTS = 1  # that were begun
CONNECTIONS = 2  # that are open, or being set up
RUNNING = 3  # requests under way
ACCEPTING = 4  # 1 while new connections are taken
STUCK = 5  # calls of the application that were told to end, and have not
FIELDS = 8  # one line of a processor's cache, which no two workers share

# The first line: how many slots have ever been taken, so that nobody reads beyond.
USED = 0

# Nanoseconds. Who has given no sign of life for longer, four times the usual, is not counted on.
ALIVE = 1_000_000_000

# Workers of one supervisor at once, those included that are leaving. A page has 64 of them, and
# what is never touched takes no memory.
MOST_SLOTS = 1023


class Board:
    """The shared memory. For the supervisor; workers get their slot."""

    def __init__(self, slots: int = MOST_SLOTS) -> None:
        self._memory = mmap.mmap(-1, (slots + 1) * FIELDS * 8)
        self.numbers = memoryview(self._memory).cast("q")
        self._free = list(range(slots, 0, -1))

    def take(self) -> "Slot":
        """A slot with every number 0. Raises OSError when all are taken."""
        if not self._free:
            raise OSError(errno.EAGAIN, "there are as many workers as there may be")
        index = self._free.pop()
        start = index * FIELDS
        self.numbers[start : start + FIELDS] = memoryview(bytes(FIELDS * 8)).cast("q")
        self.numbers[USED] = max(self.numbers[USED], index)
        return Slot(self.numbers, index)

    def give_back(self, slot: "Slot") -> None:
        """Its worker has ended."""
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
        """A sign of life."""
        self.numbers[self._start + HEARTBEAT] = time.monotonic_ns()

    def silent_for(self) -> float | None:
        """Seconds since the last sign of life; None before the first."""
        beat = self.numbers[self._start + HEARTBEAT]
        return (time.monotonic_ns() - beat) / 1e9 if beat else None

    @property
    def requests(self) -> int:
        """How many were begun."""
        return self.numbers[self._start + REQUESTS]

    @requests.setter
    def requests(self, count: int) -> None:
        self.numbers[self._start + REQUESTS] = count

    @property
    def connections(self) -> int:
        """How many are open, or being set up."""
        return self.numbers[self._start + CONNECTIONS]

    @connections.setter
    def connections(self, count: int) -> None:
        self.numbers[self._start + CONNECTIONS] = count

    @property
    def running(self) -> int:
        """Requests under way."""
        return self.numbers[self._start + RUNNING]

    @running.setter
    def running(self, count: int) -> None:
        self.numbers[self._start + RUNNING] = count

    @property
    def stuck(self) -> int:
        """Calls of the application that were told to end, and have not."""
        return self.numbers[self._start + STUCK]

    @stuck.setter
    def stuck(self, count: int) -> None:
        self.numbers[self._start + STUCK] = count

    @property
    def accepting(self) -> bool:
        """Whether it takes new connections."""
        return bool(self.numbers[self._start + ACCEPTING])

    @accepting.setter
    def accepting(self, accepts: bool) -> None:
        self.numbers[self._start + ACCEPTING] = accepts

    def fewest_elsewhere(self) -> int | None:
        """The smallest number of connections among the other workers that take new ones and are
        alive; None where there is no other."""
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
