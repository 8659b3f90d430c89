"""`wsgi.input` of a body that is still arriving (PEP 3333, "Input and Error Streams").

Rejected: io.BufferedReader around a raw stream. It has a buffer of its own for each request and
copies each byte twice. It also allocates the size that was asked for, and shrinks that at the end
of the body: the end of nearly every upload was alone where 64 KiB had been, stayed in glibc's
cache for the thread when it was freed, and a worker took several times the memory that it used.
"""

import io
import sys
from collections.abc import Callable


class BodyStream(io.BufferedIOBase):
    """The body as a file. Lines and sizes are as in any binary file: `read(size)` returns less
    only at the end.

    next_piece: waits for the next piece and returns it, b"" at the end and ever after. Its
        exceptions come out of the reading method, and the bytes that this had by then are there
        for the next one.
    """

    def __init__(self, next_piece: Callable[[], bytes]) -> None:
        self._next_piece = next_piece
        # The piece that is read from, and how many of its bytes have been read.
        self._piece = b""
        self._at = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        self._check_open()
        size = limit_of(size)
        end = self._at + size
        return self._take(end) if end <= len(self._piece) else self._gather(size, b"")

    def read1(self, size: int | None = -1, /) -> bytes:
        """Return the bytes that are there; wait for no more than one piece."""
        self._check_open()
        size = limit_of(size)
        if size and self._at == len(self._piece):
            self._piece, self._at = self._next_piece(), 0
        return self._take(min(self._at + size, len(self._piece)))

    def readline(self, size: int | None = -1, /) -> bytes:
        self._check_open()
        size = limit_of(size)
        end = self._at + size
        found = self._piece.find(b"\n", self._at, end)
        if found >= 0:
            return self._take(found + 1)
        return self._take(end) if end <= len(self._piece) else self._gather(size, b"\n")

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _take(self, end: int) -> bytes:
        """Return the bytes of the piece up to `end` that are not read yet."""
        data = self._piece[self._at : end]
        if end == len(self._piece):
            self._piece, self._at = b"", 0
        else:
            self._at = end
        return data

    def _gather(self, size: int, mark: bytes) -> bytes:
        """Return so many bytes, which are more than this piece has; none beyond `mark`, if it is
        not empty."""
        # Rejected: a list, which would be long for a peer that sends its body byte by byte.
        gathered = io.BytesIO()
        gathered.write(self._take(len(self._piece)))
        missing = size - gathered.tell()
        try:
            while missing:
                self._piece = piece = self._next_piece()
                if not piece:
                    break
                found = piece.find(mark, 0, missing) if mark else -1
                end = min(missing, len(piece)) if found < 0 else found + 1
                is_last = found >= 0 or end == missing
                if is_last and not gathered.tell():
                    return self._take(end)
                gathered.write(self._take(end))
                if is_last:
                    break
                missing -= end
        except BaseException:
            self._piece = gathered.getvalue()
            raise
        return gathered.getvalue()


def limit_of(size: int | None) -> int:
    """Return the number of bytes that a size allows, as files understand it."""
    return sys.maxsize if size is None or size < 0 else size
