"""Which of several workers accepts a connection.

The kernel gives connections to whichever worker asks first. Left to that, a worker with many idle
connections would get as many new ones as the others.
"""

from bascule.connections.hub import Hub
from bascule.observability.board import Slot


def another_should_accept(hub: Hub, slot: Slot, pending: int) -> bool:
    """Whether a connection is better left to a worker that has fewer.

    Not for a small difference: it would be gone before the other worker has noticed.

    slot: of this worker.
    pending: connections that it is setting up.
    """
    own = len(hub.connections) + pending
    fewest = slot.fewest_elsewhere()
    return fewest is not None and own > fewest + 1 + fewest // 16
