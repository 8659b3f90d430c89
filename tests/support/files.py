"""Helpers for tests of files."""

import itertools
import os
from pathlib import Path

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
