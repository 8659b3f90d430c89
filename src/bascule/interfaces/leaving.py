"""Errors that mean that the client has disconnected."""

from collections.abc import Iterator

from bascule.errors import ClientDisconnected


def is_disconnect(error: BaseException | None) -> bool:
    """Return whether an error is ClientDisconnected, or was raised because of it: Starlette raises
    an error of its own, a TaskGroup a group. A group that has another error in it is none."""
    while error is not None and not isinstance(error, ClientDisconnected):
        if isinstance(error, BaseExceptionGroup) and all(map(is_disconnect, error.exceptions)):
            return True
        error = error.__cause__ or error.__context__
    return error is not None


def forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks, which keep the application's frames alive, and with them generators
    that should be closed now."""
    seen = set()
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if error is not None and id(error) not in seen:
            seen.add(id(error))
            error.__traceback__ = None
            waiting += related(error)


def related(error: BaseException) -> "Iterator[BaseException | None]":
    """Return the cause and the context of an error, and the members of a group."""
    yield error.__cause__
    yield error.__context__
    if isinstance(error, BaseExceptionGroup):
        yield from error.exceptions
