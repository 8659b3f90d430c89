"""Reading a file without waiting for its disk (preadv2(2) with RWF_NOWAIT, Linux).

A disk that sleeps, or a file system behind a network, may take longer than every other connection
of this worker wants to wait. So the loop's thread reads what the page cache has, and leaves the
rest to another thread. Neither stat(2) nor sendfile(2) tells the two apart; mincore(2) and
cachestat(2) do, but only to those who may write to the file. Some file systems (overlayfs, NFS,
FUSE) cannot tell either: their files are left to the other thread.

Compiled modules use the inline twins in page_cache.pxd, which read into a new `bytes` without
clearing or copying it. This module itself is never compiled.
"""

import os

# None where the system cannot do it: everything is then left to the other thread.
CACHED_ONLY: int | None = getattr(os, "RWF_NOWAIT", None)

# How far apart it is enough to look: what Linux reads ahead by default, in bytes.
READ_AHEAD = 131072


def read_cached(fd: int, size: int, position: int) -> bytes | None:
    """Return the bytes that the page cache has there, none at the file's end; None when they
    have to be fetched."""
    if CACHED_ONLY is None:
        return None
    piece = bytearray(size)
    try:
        got = os.preadv(fd, [piece], position, CACHED_ONLY)
    except OSError:
        # Not cached, or a file system that cannot tell; a real error comes again from pread.
        return None
    return bytes(piece[:got] if got < size else piece)


def is_cached(fd: int, size: int, position: int) -> bool:
    """Whether sending so many bytes from there is not likely to wait for the disk. Reads one byte
    of each stretch that is read ahead together, and the last."""
    last = position + size - 1
    probes = [*range(position, last, READ_AHEAD), last]
    return all(read_cached(fd, 1, probe) is not None for probe in probes)
