"""When a worker leaves new connections to others."""

from types import SimpleNamespace

import pytest

from bascule.observability.board import Board
from bascule.worker.balance import another_should_accept


def decision(own, pending, *others):
    """Whether a worker leaves a connection to others. others: their connections."""
    board = Board(1 + len(others))
    slot = board.take()
    for count in others:
        other = board.take()
        other.beat()
        other.accepting = True
        other.connections = count
    return another_should_accept(SimpleNamespace(connections=range(own)), slot, pending)


def test_a_worker_that_is_alone_accepts_all():
    assert not decision(10_000, 10)


@pytest.mark.parametrize(
    ("own", "others", "left"),
    [
        (0, (0,), False),
        (1, (0,), False),
        (2, (0,), True),
        (2, (5, 0, 5), True),
        (5, (6, 7), False),
        (17, (16,), False),
        (18, (16,), False),
        (19, (16,), True),
        (1062, (1000,), False),
        (1063, (1000,), False),
        (1064, (1000,), True),
    ],
)
def test_a_small_difference_does_not_matter(own, others, left):
    """One more and a sixteenth of them: it would be gone before the other has noticed."""
    assert decision(own, 0, *others) is left


def test_connections_that_are_being_set_up_count():
    assert not decision(1, 0, 0)
    assert decision(1, 1, 0)
