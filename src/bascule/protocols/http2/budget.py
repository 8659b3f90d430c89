"""What a peer may do for nothing.

Resets, pings and empty frames cost the peer a few octets and the server some work; all of them
have a use, so none can be forbidden. A budget is spent by them, and earned back by what a peer
does that has a use of its own, and by time. The engine knows no clock: it is told of time by
`replenish`.
"""


class Budget:
    """most: what there is at first, and never more. rate: what comes back in a second."""

    __slots__ = ("left", "most", "rate")

    def __init__(self, most: int, rate: float) -> None:
        self.most = float(most)
        self.left = float(most)
        self.rate = rate

    def spend(self, cost: int) -> bool:
        """Take `cost`; False when there is not so much."""
        self.left -= cost
        return self.left >= 0.0

    def earn(self, amount: float) -> None:
        """Give back `amount`."""
        self.left += amount
        if self.left > self.most:
            self.left = self.most

    def replenish(self, seconds: float) -> None:
        """So much time has passed."""
        self.earn(seconds * self.rate)
