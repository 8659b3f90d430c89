"""`wsgi.file_wrapper`, for the server and for the adapter that stands in for one."""

import io
import os
import stat
from typing import Any


class FileWrapper:
    """`wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling")."""

    def __init__(self, filelike: Any, block_size: int = 65536) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> "FileWrapper":
        return self

    def __next__(self) -> bytes:
        data: bytes = self.filelike.read(self.block_size)
        if not data:
            raise StopIteration
        return data


def kernel_file(file: Any) -> Any:
    """The file that the kernel can send in place of `file`, or None.

    A fileno() is not enough: that of a GzipFile gives what is compressed, and a pipe has neither
    a size nor a position.
    """
    while hasattr(file, "file"):
        # Wrappers of tempfile and of Django.
        file = file.file
    if not isinstance(getattr(file, "raw", file), io.FileIO):
        return None
    try:
        return file if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
    except (OSError, ValueError):
        # Closed, or without a descriptor: reading it will tell.
        return None
