"""Messages between two processes; both ends are here."""

import os

import pytest

from bascule.sockets.channel import channel_pair


@pytest.fixture
def ends():
    ours, theirs = channel_pair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def pipes():
    """Ten pipes; the test closes their writers."""
    pipes = [os.pipe() for _ in range(10)]
    yield pipes
    for reader, _ in pipes:
        os.close(reader)


def all_of(channel):
    """The messages that have arrived, in any number of reads."""
    messages = []
    while more := channel.receive():
        messages += more
    return messages


def test_messages_arrive_whole_and_in_their_order(ends):
    ours, theirs = ends
    assert theirs.send("one", text="a\nb")
    assert theirs.send("two", number=2)
    assert all_of(ours) == [{"kind": "one", "text": "a\nb"}, {"kind": "two", "number": 2}]


def test_the_end_of_one_side_is_the_end_of_the_other(ends):
    ours, theirs = ends
    theirs.send("last")
    theirs.close()
    assert ours.receive() == [{"kind": "last"}]
    assert ours.receive() is None
    assert not ours.send("not read")


def test_who_does_not_wait_has_no_message(ends):
    assert ends[0].receive() == []


def test_descriptors_arrive_with_their_message(ends, pipes):
    ours, theirs = ends
    theirs.send("none")
    for number, (_, writer) in enumerate(pipes):
        theirs.send("some", [writer] * (1 + number % 3), number=number)
        os.close(writer)
    first, *messages = all_of(ours)
    assert first == {"kind": "none"}
    assert [message["number"] for message in messages] == list(range(10))
    for number, message in enumerate(messages):
        assert len(message["descriptors"]) == 1 + number % 3
        for descriptor in message["descriptors"]:
            assert not os.get_inheritable(descriptor)
            os.write(descriptor, b"x")
            os.close(descriptor)
        # All of its writers, and no other.
        assert os.read(pipes[number][0], 10) == b"x" * (1 + number % 3)
        assert os.read(pipes[number][0], 10) == b""


def test_descriptors_of_a_message_that_is_not_read_are_closed(ends, pipes):
    ours, theirs = ends
    reader, writer = pipes[0]
    theirs.send("some", [writer])
    for _, one in pipes:
        os.close(one)
    theirs.close()
    ours.close()
    assert os.read(reader, 10) == b""
