"""The parts of the WSGI applications of the contract tests."""

from collections.abc import Iterable, Iterator
from typing import Any

from support.flag import Flag

Environ = dict[str, Any]


def answering(result: Any, status: str = "200 OK", headers: Iterable[Any] = ()) -> Any:
    """An application that returns `result`, or what it returns if it is called."""

    def application(environ: Environ, start_response: Any) -> Any:
        start_response(status, list(headers))
        return result() if callable(result) else result

    return application


class Closing:
    """An iterable with close(); `closed` is set with how many pieces had been taken, once only.

    pieces: what it yields; an exception among them is raised in its place.
    """

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self.pieces = pieces
        self.taken = 0
        self.closed = Flag()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, BaseException):
                raise piece
            self.taken += 1
            yield piece

    def close(self) -> None:
        self.closed.set(self.taken)
