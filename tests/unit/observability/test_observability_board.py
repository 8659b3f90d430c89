"""Numbers of workers in shared memory."""

import os
import time

import pytest

from bascule.observability.board import ALIVE, FIELDS, HEARTBEAT, Board

FIELD_NAMES = ("requests", "connections", "running", "stuck", "accepting")


@pytest.fixture
def board():
    return Board(3)


def open_slot(board, connections):
    """The slot of a worker that is alive and takes connections."""
    slot = board.take()
    slot.beat()
    slot.accepting = True
    slot.connections = connections
    return slot


def age(slot, nanoseconds):
    """Its last sign of life was so long ago."""
    slot.numbers[slot.index * FIELDS + HEARTBEAT] = time.monotonic_ns() - nanoseconds


def test_every_number_has_a_place_of_its_own(board):
    slots = [board.take() for _ in range(3)]
    wanted = {}
    for number, slot in enumerate(slots):
        for place, name in enumerate(FIELD_NAMES[:-1]):
            wanted[number, name] = 10**15 * number + place + 1
            setattr(slot, name, wanted[number, name])
    slots[1].accepting = True
    assert wanted == {
        (number, name): getattr(slot, name)
        for number, slot in enumerate(slots)
        for name in FIELD_NAMES[:-1]
    }
    assert [slot.accepting for slot in slots] == [False, True, False]


def test_what_a_child_writes_its_parent_reads(board):
    slot = board.take()
    if (pid := os.fork()) == 0:
        slot.requests = 7
        slot.beat()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert slot.requests == 7
    assert 0 <= slot.silent_for() < 20


def test_nobody_is_silent_before_the_first_sign_of_life(board):
    slot = board.take()
    assert slot.silent_for() is None
    slot.beat()
    age(slot, 5_000_000_000)
    assert slot.silent_for() == pytest.approx(5, abs=1)


def test_a_slot_that_was_given_back_is_empty_when_it_is_taken_again(board):
    slots = [open_slot(board, 10) for _ in range(3)]
    slots[1].requests = slots[1].running = slots[1].stuck = 3
    board.give_back(slots[1])
    again = board.take()
    assert again.index == slots[1].index
    assert [getattr(again, name) for name in FIELD_NAMES] == [0, 0, 0, 0, False]
    assert again.silent_for() is None
    assert [slots[0].connections, slots[2].connections] == [10, 10]


def test_there_are_so_many_and_no_more(board):
    slots = [board.take() for _ in range(3)]
    assert len({slot.index for slot in slots}) == 3
    with pytest.raises(OSError, match="as many workers as there may be"):
        board.take()
    board.give_back(slots[0])
    assert board.take().index == slots[0].index


# The smallest number of connections elsewhere.


def test_alone_there_is_nobody_else(board):
    assert open_slot(board, 5).fewest_elsewhere() is None


def test_the_fewest_of_the_others_count_and_not_ones_own(board):
    own = open_slot(board, 1)
    others = [open_slot(board, 30), open_slot(board, 20)]
    assert own.fewest_elsewhere() == 20
    others[1].connections = 0
    assert own.fewest_elsewhere() == 0
    assert others[1].fewest_elsewhere() == 1


@pytest.mark.parametrize("change", ["closed", "silent", "never ready", "gone"])
def test_who_takes_no_connections_does_not_count(board, change):
    own, other, idle = (open_slot(board, count) for count in (10, 20, 0))
    if change == "closed":
        idle.accepting = False
    elif change == "silent":
        age(idle, ALIVE + 1_000_000)
    elif change == "never ready":
        board.give_back(idle)
        board.take()
    else:
        board.give_back(idle)
    assert own.fewest_elsewhere() == other.connections
