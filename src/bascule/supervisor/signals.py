"""The supervisor's signals, which arrive on a socket that its selector waits for."""

import os
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from bascule.worker import forks


@contextmanager
def signal_socket(
    numbers: Sequence[int], descriptors: Callable[[], Iterable[int]]
) -> Iterator[socket.socket]:
    """Have these signals arrive on a socket, one byte each, for as long as the block runs.

    descriptors: returns those that processes forked by a caller of `bascule.serve` must not have.
    """
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    owner = os.getpid()
    try:
        with forks.restored(numbers):
            for number in numbers:
                forks.catch(number, forks.nothing)
            forks.hold(descriptors)
            yield reader
    finally:
        if os.getpid() == owner:
            signal.set_wakeup_fd(wakeup)
        reader.close()
        writer.close()
