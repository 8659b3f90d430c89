"""The receiving side of flow control (RFC 9113 sections 5.2 and 6.9): how much the peer may still
send, and when a WINDOW_UPDATE allows more.

A window opens only as bytes are consumed: by the application, or because they have no reader. It
is announced in steps of half its size, so a WINDOW_UPDATE is paid once for many DATA frames. Each
time a whole window has been consumed it doubles, up to a cap: a fast reader gets the width that a
long way to the client needs, and for a slow one no more is kept than the window had at first.
"""

from bascule.protocols.http2.frames import LARGEST_WINDOW


class ReceiveWindow:
    """One window, of a stream or of the connection.

    left: bytes that the peer may still send.
    size: bytes that it may send without an answer.
    most: the largest that `size` may become.
    owed: bytes consumed, and not announced yet.
    turned: bytes consumed since the size last changed.
    """

    __slots__ = ("left", "most", "owed", "size", "turned")

    def __init__(self, size: int, most: int) -> None:
        self.left = size
        self.size = size
        self.most = most if most < LARGEST_WINDOW else LARGEST_WINDOW
        self.owed = 0
        self.turned = 0

    def take(self, size: int) -> bool:
        """Note that the peer has sent `size` bytes; False when it was not allowed to."""
        if size > self.left:
            return False
        self.left -= size
        return True

    def consume(self, size: int) -> int:
        """Note that `size` bytes are not kept any more; returns by how much to open the window, or
        0 for not yet."""
        self.owed += size
        self.turned += size
        if self.owed * 2 < self.size:
            return 0
        increment = self.owed
        if self.turned >= self.size and self.size < self.most:
            wider = self.size * 2 if self.size * 2 < self.most else self.most
            increment += wider - self.size
            self.size = wider
            self.turned = 0
        self.owed = 0
        self.left += increment
        return increment
