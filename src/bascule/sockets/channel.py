"""Messages between the supervisor and one of its processes, over a pair of sockets.

Each is a line of JSON: its kind, and what belongs to it. Descriptors may travel with a message.
The end of the other side is the end of the channel, which is how a process learns that its
supervisor has gone.
"""

import json
import os
import socket
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

READ = 65536
# As many as the kernel lets one message have (SCM_MAX_FD of Linux).
MOST_DESCRIPTORS = 253

ChannelMessage = dict[str, Any]


class Channel:
    """One end of a pair. `send` may be called in any thread, `receive` in one."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._unread = b""
        # Descriptors that have come, and whose message is not complete yet.
        self._descriptors: deque[int] = deque()
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, kind: str, descriptors: Sequence[int] = (), **fields: object) -> bool:
        """Send a message, and return whether it was sent. Without a reader it is lost.

        descriptors: up to MOST_DESCRIPTORS, of which the other side gets duplicates.
        """
        if descriptors:
            fields["descriptors"] = len(descriptors)
        line = json.dumps({"kind": kind, **fields}).encode() + b"\n"
        try:
            with self._lock:
                if descriptors:
                    line = line[socket.send_fds(self.sock, [line], list(descriptors)) :]
                self.sock.sendall(line)
        except OSError:
            return False
        return True

    def receive(self) -> list[ChannelMessage] | None:
        """The messages that the next read brings, maybe none; None at the end.

        Waits where the socket does. `descriptors` of a message are the receiver's to close; there
        are fewer than were sent where this process has too many open files.
        """
        try:
            data, descriptors, _, _ = socket.recv_fds(self.sock, READ, MOST_DESCRIPTORS)
        except BlockingIOError:
            return []
        except OSError:
            return None
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._descriptors += descriptors
        if not data:
            return None
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [self._message(line) for line in lines]

    def _message(self, line: bytes) -> ChannelMessage:
        message: ChannelMessage = json.loads(line)
        if "descriptors" in message:
            # Fewer where this process may have no more of them.
            count = min(message["descriptors"], len(self._descriptors))
            message["descriptors"] = [self._descriptors.popleft() for _ in range(count)]
        return message

    def close(self) -> None:
        self.sock.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())


def channel_pair() -> tuple[Channel, Channel]:
    """Both ends: the first never waits, the second does."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Channel(ours), Channel(theirs)
