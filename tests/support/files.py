"""Helpers for tests of files."""

import ctypes
import itertools
import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Paths that try to leave a directory.
UP = (
    b"..", b"%2e%2e", b"%2E%2E", b".%2e", b"%2e.", b"%252e%252e", b"%c0%ae%c0%ae",
    b"%e0%80%ae%e0%80%ae", b"..%00", b"%00..", b"..;", b"..%20", b"..%09", b". .", b"..\\",
)  # fmt: skip
SEPARATORS = (b"/", b"%2f", b"%2F", b"\\", b"%5c", b"%5C", b"//", b"/./", b"%252f", b"%c0%af")
TARGETS = (b"secret.txt", b"etc/passwd")
SPELLINGS = [
    b"/" + start + up + separator + target
    for start, up, separator, target in itertools.product(
        (b"", b"css/", b"css/../"), UP, SEPARATORS, TARGETS
    )
]


def is_open(path: Path) -> bool:
    """Whether this process has a descriptor of a file."""
    wanted = path.stat()
    for name in os.listdir("/proc/self/fd"):
        try:
            found = os.fstat(int(name))
        except OSError:
            continue  # closed in between
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False


def cached_pages(fd: int) -> bytes:
    """Which pages of a file are in the page cache (mincore(2)): 1 or 0 for each."""
    size = os.fstat(fd).st_size
    pages = -(-size // mmap.PAGESIZE)
    found = ctypes.create_string_buffer(pages)
    with mmap.mmap(
        fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE
    ) as mapped:
        held = ctypes.c_char.from_buffer(mapped)
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.mincore(ctypes.byref(held), ctypes.c_size_t(size), found)
        del held
    assert failed == 0, os.strerror(ctypes.get_errno())
    return bytes(byte & 1 for byte in found.raw)


def drop_from_cache(path: Path) -> None:
    """Have the kernel forget the contents of a file, as if it had not been read since the machine
    started. Skips the test where the file system keeps them."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        kept = sum(cached_pages(fd))
    finally:
        os.close(fd)
    if kept:
        pytest.skip(f"{kept} pages of {path} stay in memory: it is not on a disk")


@contextmanager
def untold_directory() -> Iterator[Path]:
    """A directory whose file system cannot say what is in memory, so that all of its files may be
    on a slow disk. Skips the test where there is none."""
    if not os.path.isdir("/dev/shm"):
        pytest.skip("there is no /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        path = Path(name)
        (path / "probe").write_bytes(b"x")
        with (path / "probe").open("rb") as file:
            try:
                os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
            except OSError:
                pass
            else:
                pytest.skip("/dev/shm tells what is in memory")
        yield path


class SlowDisk:
    """A disk that takes as long as the test wants: threads that read wait for `answers`.

    asked: the thread of each read.
    """

    def __init__(self) -> None:
        self.asked: list[threading.Thread] = []
        self.answers = threading.Event()
        self.pread = os.pread
        self.really_sendfile = os.sendfile

    def read(self, fd: int, size: int, position: int) -> bytes:
        self.wait()
        return self.pread(fd, size, position)

    def sendfile(self, out: int, source: int, offset: int, count: int) -> int:
        self.wait()
        return self.really_sendfile(out, source, offset, count)

    def wait(self) -> None:
        self.asked.append(threading.current_thread())
        assert self.answers.wait(30)


@contextmanager
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    """Have pread(2) and sendfile(2) wait for a disk; at the end it answers, whatever the test has
    done."""
    disk = SlowDisk()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", disk.read)
        patch.setattr(os, "sendfile", disk.sendfile)
        try:
            yield disk
        finally:
            disk.answers.set()


@contextmanager
def only_cached_sent(
    monkeypatch: pytest.MonkeyPatch, loop_thread: threading.Thread
) -> Iterator[list[int]]:
    """Check that the loop's thread asks sendfile(2) for nothing that is not in memory; yields the
    numbers of bytes it has sent."""
    real: Callable[[int, int, int, int], int] = os.sendfile
    taken: list[int] = []
    missing: list[int] = []

    def sendfile(out: int, source: int, offset: int, count: int) -> int:
        if threading.current_thread() is not loop_thread:
            return real(out, source, offset, count)
        pages = cached_pages(source)
        wanted = range(offset // mmap.PAGESIZE, -(-(offset + count) // mmap.PAGESIZE))
        missing.extend(page for page in wanted if page < len(pages) and not pages[page])
        taken.append(real(out, source, offset, count))
        return taken[-1]

    with monkeypatch.context() as patch:
        patch.setattr(os, "sendfile", sendfile)
        yield taken
    assert missing == []
