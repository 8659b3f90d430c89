"""The errors that end a call whose client has disconnected, and what it leaves behind."""

import pytest

from bascule.errors import ClientDisconnected
from bascule.interfaces.leaving import forget_frames, is_disconnect


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def during(error: BaseException, context: BaseException) -> BaseException:
    error.__context__ = context
    return error


GONE = ClientDisconnected("gone")
OTHER = ZeroDivisionError("other")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, False),
        (OTHER, False),
        (GONE, True),
        (caused(RuntimeError("made of it"), GONE), True),
        (during(RuntimeError("on the way"), GONE), True),
        (ExceptionGroup("of a TaskGroup", [GONE]), True),
        (ExceptionGroup("of two tasks", [GONE, caused(ValueError("x"), GONE)]), True),
        (ExceptionGroup("of two groups", [ExceptionGroup("inner", [GONE])]), True),
        (caused(RuntimeError("of a group"), ExceptionGroup("inner", [GONE])), True),
        (ExceptionGroup("not all of it", [GONE, OTHER]), False),
        (ExceptionGroup("not all of the inner", [ExceptionGroup("inner", [OTHER, GONE])]), False),
    ],
)
def test_is_disconnect(error: BaseException | None, expected: bool) -> None:
    assert is_disconnect(error) is expected


def raised(error: BaseException) -> BaseException:
    """With a traceback."""
    try:
        raise error
    except BaseException as seen:
        return seen


def test_forget_frames_reaches_every_error() -> None:
    inner = raised(ValueError("in the group"))
    cause, context = raised(ValueError("cause")), raised(ValueError("context"))
    inner.__cause__, inner.__context__ = cause, context
    group = raised(ExceptionGroup("group", [inner]))
    outer = raised(RuntimeError("outer"))
    outer.__context__ = group
    context.__context__ = outer  # a ring
    every = [inner, cause, context, group, outer]
    assert all(error.__traceback__ for error in every)
    forget_frames(outer)
    assert [error.__traceback__ for error in every] == [None] * 5
    forget_frames(None)
