"""`wsgi.input` of a body that is still arriving (PEP 3333, "Input and Error Streams").

Rejected: io.BufferedReader around a raw stream. It takes a buffer of its own for each request and
copies each octet twice. And it makes what it returns as long as was asked for, and shortens that
at the end of the body: the end of nearly every upload lay alone where 64 KiB had been, was kept
there in glibc's cache for the thread when it was freed, and a worker took several times the memory
that it used.
"""

import io
import sys
from collections.abc import Callable


class BodyStream(io.BufferedIOBase):
    """The body as a file. Lines and sizes are as in any binary file: `read(size)` returns less
    only at the end.

    next_piece: waits for the next piece and returns it, b"" at the end and ever after. What it
    raises comes out of the reading method, and what that had got by then is there for the next.
    """

    def __init__(self, next_piece: Callable[[], bytes]) -> None:
        self._next_piece = next_piece
        # The piece that is read from, and how far it has been.
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
        """What is there, waiting for no more than one piece."""
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
        """What is not read of the piece, up to `end`."""
        data = self._piece[self._at : end]
        if end == len(self._piece):
            self._piece, self._at = b"", 0
        else:
            self._at = end
        return data

    def _gather(self, size: int, mark: bytes) -> bytes:
        """So many octets, which are more than there are of this piece; not beyond `mark`, if it is
        not empty."""
        # Not a list: a peer that sends its body octet by octet would have a list of them.
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
    """How many octets a size allows, as files understand it."""
    return sys.maxsize if size is None or size < 0 else size
