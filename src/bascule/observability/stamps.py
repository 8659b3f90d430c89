"""Time as the logs write it: ISO 8601, local, with its zone (2026-08-01T12:30:00+02:00)."""

import time


class Stamp:
    """Formats moments; the text of one second is made once, because strftime costs microseconds.

    short: the time of day alone, for a developer's terminal.
    """

    def __init__(self, short: bool = False) -> None:
        self._short = short
        self._second = -1
        self._text = ""

    def __call__(self, moment: float) -> str:
        """The second that `moment` (seconds since the epoch) falls into."""
        second = int(moment)
        if second != self._second:
            self._text = self._format(second)
            self._second = second
        return self._text

    def _format(self, second: int) -> str:
        local = time.localtime(second)
        if self._short:
            return time.strftime("%H:%M:%S", local)
        text = time.strftime("%Y-%m-%dT%H:%M:%S%z", local)
        return f"{text[:-2]}:{text[-2:]}"
