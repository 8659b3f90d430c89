"""Notices a client that takes nothing of what was written for it."""


class WriteWatch:
    """Compares how much is unwritten from tick to tick: no timer, and nothing at each write."""

    __slots__ = ("since", "unwritten")

    def __init__(self) -> None:
        self.unwritten = 0
        self.since = 0.0

    def restart(self, unwritten: int, now: float) -> None:
        """Begin to count anew, with `unwritten` bytes to go."""
        self.unwritten = unwritten
        self.since = now

    def is_stalled(self, busy: bool, unwritten: int, now: float, patience: float) -> bool:
        """Whether not a byte of `unwritten` has gone for more than `patience` seconds. `busy`
        says whether anything is to go at all: a file that the kernel copies is not in
        `unwritten`."""
        if not busy or unwritten != self.unwritten:
            self.restart(unwritten, now)
            return False
        return now - self.since > patience
