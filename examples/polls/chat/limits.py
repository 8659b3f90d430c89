"""The limits of one window: the length and the rate of its messages."""

import time
from collections import deque
from collections.abc import Callable

MAX_LENGTH = 500

# Faster than people type. Without a limit one window could fill the queues of all the others,
# and the channel layer drops what does not fit.
BURST = 10
SECONDS = 5.0


class Pace:
    """At most BURST messages in any SECONDS."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: deque[float] = deque(maxlen=BURST)

    def allows(self) -> bool:
        """Whether one more message may be said now; if so, it counts."""
        now = self._clock()
        if len(self._said) == BURST and now - self._said[0] < SECONDS:
            return False
        self._said.append(now)
        return True
