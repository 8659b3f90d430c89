"""Short questions to a loop that has more to do, on a clock that only the test moves."""

import os
import resource
import selectors
import socket
import struct

import pytest

from bascule.supervisor.small_server import LONGEST_QUESTION, MOST_CLIENTS, PATIENCE, SmallServer

# More than two sockets' buffers hold.
LARGE = b"x" * (16 << 20)
DEADLINE = 20


class World:
    """A server in a loop of the test's, and its clients. questions: what it has taken."""

    def __init__(self):
        self.now = 1000.0
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.listener.setblocking(False)
        self.address = self.listener.getsockname()
        self.questions = []
        self.askers = []
        self.answer = b"fine\n"
        self.clients = []
        self.server = SmallServer(
            self.selector, self.listener, lambda q: q.endswith(b"\n"), self.take, lambda: self.now
        )

    def take(self, question, asker):
        self.questions.append(question)
        self.askers.append(asker)
        if self.answer:
            asker.answer(self.answer)

    def connect(self, question=b""):
        client = socket.create_connection(self.address, timeout=DEADLINE)
        client.sendall(question)
        self.clients.append(client)
        return client

    def turn(self):
        """Do what is to be done now; whether there was anything."""
        ready = self.selector.select(0)
        for key, _ in ready:
            key.data()
        return bool(ready)

    def settle(self, most=1000):
        """Until there is nothing to do. A loop that is never done fails the test."""
        turns = 0
        while self.turn():
            turns += 1
            assert turns < most, "the loop is kept busy by what it does nothing about"

    def pass_time(self, seconds):
        self.now += seconds
        self.server.tick()

    def close(self):
        for client in self.clients:
            client.close()
        self.server.close()
        assert not self.selector.get_map()
        self.selector.close()


@pytest.fixture
def world():
    world = World()
    yield world
    world.close()


def all_of(world, client):
    """The data that a client receives until the end, while the loop runs."""
    client.setblocking(False)
    data = b""
    while True:
        world.turn()
        try:
            more = client.recv(1 << 20)
        except BlockingIOError:
            continue
        if not more:
            return data
        data += more


def test_a_question_is_answered_and_the_connection_closed(world):
    client = world.connect(b"how are you?\n")
    assert all_of(world, client) == b"fine\n"
    assert world.questions == [b"how are you?\n"]
    assert world.server.clients == set()


def test_a_question_may_come_in_pieces(world):
    client = world.connect(b"how ")
    world.settle()
    assert world.questions == []
    client.sendall(b"are you?\n")
    assert all_of(world, client) == b"fine\n"
    assert world.questions == [b"how are you?\n"]


def test_an_answer_may_come_later_however_long_that_takes(world):
    world.answer = b""
    client = world.connect(b"well?\n")
    world.settle()
    (asker,) = world.askers
    asker.wait()
    world.pass_time(100 * PATIENCE)
    asker.answer(b"now\n")
    assert all_of(world, client) == b"now\n"


def test_who_goes_while_the_answer_is_awaited_gets_none(world):
    world.answer = b""
    client = world.connect(b"well?\n")
    world.settle()
    (asker,) = world.askers
    asker.wait()
    client.close()
    world.settle()
    assert world.server.clients == set()
    asker.answer(b"to nobody\n")
    world.settle()


def test_a_second_question_is_not_taken(world):
    world.answer = b""
    client = world.connect(b"one\n")
    world.settle()
    client.sendall(b"two\n")
    world.settle()
    assert world.questions == [b"one\n"]
    world.askers[0].answer(b"only one\n")
    assert all_of(world, client) == b"only one\n"


# Bounds.


def test_a_question_has_its_time_and_no_longer(world):
    client = world.connect(b"how ")
    world.settle()
    world.pass_time(PATIENCE - 0.1)
    assert len(world.server.clients) == 1
    client.sendall(b"are ")
    world.settle()
    world.pass_time(0.1)
    assert world.server.clients == set()
    assert client.recv(10) == b""
    assert world.questions == []


def test_a_question_of_the_longest_length_is_taken_and_a_longer_one_is_not(world):
    fits = world.connect(b"x" * (LONGEST_QUESTION - 1) + b"\n")
    assert all_of(world, fits) == b"fine\n"
    # One byte more, and no end of the head.
    world.connect(b"x" * (LONGEST_QUESTION + 1))
    world.settle()
    assert world.server.clients == set()
    assert len(world.questions) == 1


def test_an_answer_that_nobody_reads_is_given_up(world):
    world.answer = LARGE
    client = world.connect(b"tell me all\n")
    world.settle()
    assert len(world.server.clients) == 1
    world.pass_time(PATIENCE)
    assert world.server.clients == set()
    assert 0 < len(all_of(world, client)) < len(LARGE)


def test_an_answer_that_is_read_arrives_whole(world):
    world.answer = LARGE
    assert all_of(world, world.connect(b"tell me all\n")) == LARGE


def test_who_resets_costs_nothing(world):
    clients = [world.connect(question) for question in (b"", b"half", b"whole\n")]
    world.answer = LARGE
    world.settle()
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    world.settle()
    assert world.server.clients == set()


def test_many_that_say_nothing_hold_up_the_others_for_a_while_and_not_the_loop(world):
    for _ in range(MOST_CLIENTS):
        world.connect()
    world.settle()
    client = world.connect(b"how are you?\n")
    world.settle()
    assert len(world.server.clients) == MOST_CLIENTS
    assert world.questions == []
    world.pass_time(PATIENCE)
    assert all_of(world, client) == b"fine\n"


def test_one_that_goes_makes_room_for_one_that_waits(world):
    silent = [world.connect() for _ in range(MOST_CLIENTS)]
    world.settle()
    client = world.connect(b"how are you?\n")
    world.settle()
    silent[0].close()
    assert all_of(world, client) == b"fine\n"


def test_without_a_descriptor_the_loop_goes_on_and_tries_again(world):
    client = world.connect(b"how are you?\n")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        world.settle()
        world.pass_time(0.25)
        world.settle()
        assert world.questions == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    world.pass_time(0.25)
    assert all_of(world, client) == b"fine\n"


def test_after_the_end_nobody_is_answered(world):
    client = world.connect(b"half")
    world.settle()
    world.server.close()
    assert client.recv(10) == b""
    world.server.tick()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(world.address, timeout=DEADLINE)
    assert not world.selector.get_map()
