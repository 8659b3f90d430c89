"""What is left of a call whose client has gone."""

from bascule.errors import ClientDisconnected


def is_disconnect(error: BaseException | None) -> bool:
    """ClientDisconnected, or what an application made of it (Starlette raises its own)."""
    while error is not None and not isinstance(error, ClientDisconnected):
        error = error.__cause__ or error.__context__
    return error is not None


def says_left(error: Exception) -> bool:
    """How servers say that the client has left: by an OSError of their own (ASGI HTTP
    specification 2.4). One with another number speaks of a file that was to be sent."""
    return isinstance(error, ConnectionError) or (
        isinstance(error, OSError) and error.errno is None
    )


def forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks: they keep the application's frames alive, and with them generators
    that should be closed now.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
