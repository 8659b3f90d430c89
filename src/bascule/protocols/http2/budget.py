"""Limits of the work that a peer can cause without sending or reading anything of use.

Resets, pings and empty frames cost the peer a few bytes and the server some work; all of them have
a use, so none can be forbidden. A budget is spent by them, and earned back by frames of responses,
and by time. There is no clock here: `replenish` is called with the time that has passed.

    resets     streams that end before their response, by either side's doing
    frames     frames that carry nothing of a request
    updates    WINDOW_UPDATE frames that cost nothing, because they acknowledge what was sent
"""

from bascule.errors import FrameRefused
from bascule.protocols.http2.frames import ENHANCE_YOUR_CALM
from bascule.protocols.limits import Http2Limits

# The worth of a response in the budget of frames, and of a frame of it.
RESPONSE_EARNS = 8
FRAME_EARNS = 2
# WINDOW_UPDATE frames that are free, because they acknowledge DATA: the number for each DATA
# frame, and the bytes of it for each further one. A client acknowledges to the stream and to the
# connection, so the second number lets it do both each time it has read 1 KiB. No client does so
# more often: Go waits for 4 KiB, the Python library h2 for 1 KiB at least, others for a good part
# of their windows. Clients read smaller pieces only where the frames are small, such as those of
# events, which HAProxy acknowledges one by one; the first number has room for that.
UPDATES_A_FRAME = 4
BYTES_AN_UPDATE = 512
# The most that are remembered: enough for 128 streams that are read late, each with the 4 MiB of
# Go's window, acknowledged to both windows in pieces of 4 KiB.
MOST_FREE_UPDATES = 262144
# Many clients enlarge the window of a stream as they open it; Firefox does.
REQUEST_UPDATES = 2


class Budget:
    """One number that is spent and comes back.

    most: what there is at first, and never more.
    rate: what comes back in a second.
    """

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
        """Give back what so much time is worth."""
        self.earn(seconds * self.rate)


class PeerBudget:
    """The budgets of one connection.

    resets, frames: see above.
    updates: WINDOW_UPDATE frames that will be free.
    """

    __slots__ = ("frames", "resets", "updates")

    def __init__(self, limits: Http2Limits) -> None:
        self.resets = Budget(limits.resets, limits.resets_rate)
        self.frames = Budget(limits.frames, limits.frames_rate)
        self.updates = 0

    def charge_frames(self, cost: int) -> None:
        """Pay for a frame that carries nothing of a request. Raises FrameRefused."""
        if not self.frames.spend(cost):
            raise FrameRefused(ENHANCE_YOUR_CALM, "too many frames that carry no request")

    def charge_reset(self) -> None:
        """Pay for a stream that the client resets soon, and before its response is delivered.
        Raises FrameRefused."""
        if not self.resets.spend(1):
            raise FrameRefused(ENHANCE_YOUR_CALM, "too many streams that are reset")

    def charge_update(self) -> None:
        """Pay for a WINDOW_UPDATE, where it is not free. Raises FrameRefused."""
        if self.updates > 0:
            self.updates -= 1
        else:
            self.charge_frames(1)

    def request_opened(self) -> None:
        """Let a request be followed by window updates."""
        self.allow_updates(REQUEST_UPDATES)

    def frame_sent(self, size: int) -> None:
        """Earn what a DATA frame with `size` bytes of a response is worth."""
        self.frames.earn(FRAME_EARNS)
        self.allow_updates(UPDATES_A_FRAME + size // BYTES_AN_UPDATE)

    def response_sent(self) -> None:
        """Earn what a complete response is worth."""
        self.resets.earn(1)
        self.frames.earn(RESPONSE_EARNS)

    def allow_updates(self, number: int) -> None:
        """Let so many more WINDOW_UPDATE frames be free."""
        self.updates += number
        if self.updates > MOST_FREE_UPDATES:
            self.updates = MOST_FREE_UPDATES

    def replenish(self, seconds: float) -> None:
        """Give back what so much time is worth."""
        self.resets.replenish(seconds)
        self.frames.replenish(seconds)
