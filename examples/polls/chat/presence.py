"""The people in the room, as one window knows them.

No list of the people is shared: a list in one process does not know the windows of the others, and
a list in Redis outlives a process that was killed. So each window keeps its own, from the messages
of the others in the channel layer (see consumers.py): all windows answer a new one, a window that
leaves sends a message, and each window sends "here" every INTERVAL. A window that is silent for
longer than PATIENCE has left without a message.

With n windows that is n messages to n receivers each INTERVAL: fine for a room of dozens. A room
of thousands would count in its processes first, and let those tell each other.
"""

import time
from collections.abc import Callable

INTERVAL = 10.0
PATIENCE = 2.5 * INTERVAL


class Presence:
    """The windows heard of, each known by its channel, with the name of the person at it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[float, str]] = {}

    def __len__(self) -> int:
        return len(self._heard)

    def heard(self, channel: str, name: str) -> bool:
        """Note a sign of life; whether it is the first from there."""
        is_new = channel not in self._heard
        self._heard[channel] = (self._clock(), name)
        return is_new

    def left(self, channel: str) -> bool:
        """Note that a window has gone; whether it was known at all."""
        return self._heard.pop(channel, None) is not None

    def forget_silent(self) -> list[str]:
        """Take out those not heard of for too long; returns their names."""
        oldest = self._clock() - PATIENCE
        silent = [channel for channel, (at, _) in self._heard.items() if at < oldest]
        return [self._heard.pop(channel)[1] for channel in silent]
