"""Answers to operators, with a table that the test moves and workers that are only counts."""

import json
import selectors
import socket

import pytest

from bascule.supervisor.control import STACKS_WITHIN, Control, Counts, is_whole_line
from bascule.supervisor.decide import decide
from bascule.supervisor.small_server import LONGEST_QUESTION, SmallServer
from bascule.supervisor.table import (
    Policy,
    StopRequested,
    SupervisorStarted,
    WorkerEnded,
    WorkerReady,
    WorkerTable,
)

COMMANDS = "status, reload, scale, stacks, drain, stop"


class World:
    """A supervisor without processes, and operators that ask it."""

    def __init__(self, workers=2):
        self.now = 100.0
        self.table = WorkerTable(workers)
        self.counts = {}
        self.shown = []
        self.control = Control(
            self.happen, lambda: self.table, self.counts.get, self.shown.append, lambda: self.now
        )
        self.selector = selectors.DefaultSelector()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self.address = listener.getsockname()
        self.server = SmallServer(
            self.selector, listener, is_whole_line, self.control.take, lambda: self.now
        )
        self.clients = []
        self.happen(SupervisorStarted())
        self.boot()

    def happen(self, event):
        self.table, _ = decide(self.table, event, self.now, Policy())
        return self.table

    def boot(self):
        """All starting workers become ready, and accept connections."""
        for row in self.table.rows:
            if row.phase.value == "starting":
                self.happen(WorkerReady(row.serial, 1000 + row.serial))
                self.counts[row.serial] = Counts(1000 + row.serial, 7, 2, 1, 50 << 20, True)

    def end(self, serial, code=0):
        del self.counts[serial]
        self.happen(WorkerEnded(serial, "ended", code))

    def turn(self):
        while ready := self.selector.select(0):
            for key, _ in ready:
                key.data()
        self.control.answer_waiting()

    def ask(self, command, argument=None):
        """An operator that has sent a command; `said` reads the answer."""
        question = {"command": command}
        if argument is not None:
            question["argument"] = argument
        return self.send(json.dumps(question).encode() + b"\n")

    def send(self, question):
        client = socket.create_connection(self.address, timeout=20)
        self.clients.append(client)
        client.sendall(question)
        self.turn()
        return client

    def said(self, client):
        """The answer; None while there is none."""
        self.turn()
        client.setblocking(False)
        try:
            data = client.recv(1 << 20)
        except BlockingIOError:
            return None
        return json.loads(data)

    def close(self):
        for client in self.clients:
            client.close()
        self.server.close()
        self.selector.close()


@pytest.fixture
def world():
    world = World()
    yield world
    world.close()


@pytest.mark.parametrize(
    "question",
    [
        b"\n",
        b"status\n",
        b"[]\n",
        b"null\n",
        b"12\n",
        b"{}\n",
        b'{"command": "explode"}\n',
        b'{"command": []}\n',
        b'{"command": null}\n',
        b"\xff\xfe\n",
        b"[" * (LONGEST_QUESTION - 1) + b"\n",
    ],
)
def test_what_nobody_understands_is_told_what_there_is(world, question):
    assert COMMANDS in world.said(world.send(question))["error"]
    assert world.said(world.ask("status"))["ready"] == 2


def test_the_status_says_what_is_known(world):
    world.now += 5
    told = world.said(world.ask("status"))
    assert told["text"] == "2 of 2 workers ready"
    assert (told["target"], told["ready"], told["generation"]) == (2, 2, 1)
    assert told["stopping"] is False
    assert told["workers"][0] == {
        "worker": 1,
        "pid": 1001,
        "state": "ready",
        "why": "",
        "generation": 1,
        "age": 5.0,
        "requests": 7,
        "connections": 2,
        "running": 1,
        "rss": 50 << 20,
    }


def test_the_status_of_a_worker_of_which_nothing_is_known(world):
    world.counts.clear()
    assert {row["pid"] for row in world.said(world.ask("status"))["workers"]} == {0}


def test_the_status_says_that_it_is_stopping(world):
    world.happen(StopRequested())
    told = world.said(world.ask("status"))
    assert told["stopping"] is True
    assert "stopping" in told["text"]


# Reload.


def test_a_reload_is_answered_when_old_code_takes_no_more_connections(world):
    client = world.ask("reload")
    while any(row.generation == 1 and row.phase.value == "ready" for row in world.table.rows):
        assert world.said(client) is None
        world.boot()
    # All of the new are ready; one of the old has not yet closed its door.
    world.counts[1] = Counts(1001, 7, 2, 1, 0, accepting=False)
    assert world.said(client) is None
    world.end(2)
    told = world.said(client)
    assert told == {"text": "2 workers with the new code", "ready": 2}
    assert world.control.waits == []


def test_a_reload_that_does_not_boot_is_answered_with_an_error(world):
    client = world.ask("reload")
    starting = [row.serial for row in world.table.rows if row.phase.value == "starting"]
    for serial in starting:
        world.happen(WorkerEnded(serial, "ended with exit code 3", 3))
    assert "failed to start" in world.said(client)["error"]


def test_a_stop_ends_the_waiting_for_a_reload(world):
    client = world.ask("reload")
    assert world.said(client) is None
    world.happen(StopRequested())
    assert "stopped" in world.said(client)["error"]
    assert world.said(world.ask("reload"))["error"] == "it is stopping"


def test_nobody_waits_for_an_answer_to_who_has_gone(world):
    world.ask("reload").close()
    world.turn()
    assert world.server.clients == set()
    for _ in range(4):
        world.boot()
    for serial in (1, 2):
        world.end(serial)
    world.turn()
    assert world.control.waits == []


# Scale.


@pytest.mark.parametrize(
    ("argument", "target"), [("+1", 3), ("-1", 1), ("4", 4), (4, 4), ("-9", 1), ("0", 1)]
)
def test_workers_are_added_and_taken_away(world, argument, target):
    told = world.said(world.ask("scale", argument))
    assert told["target"] == world.table.target == target
    assert told["text"].startswith(f"{target} worker")


@pytest.mark.parametrize("argument", ["", "many", "1.5", "+", None])
def test_an_argument_that_is_not_a_number_of_workers_is_refused(world, argument):
    assert "not a number of workers" in world.said(world.ask("scale", argument))["error"]
    assert world.table.target == 2


def test_there_are_never_more_workers_than_there_may_be(world):
    assert world.said(world.ask("scale", "9" * 30))["target"] == Policy().most_workers


# Stacks.


def test_the_stacks_of_all_come_in_their_order(world):
    client = world.ask("stacks")
    assert sorted(world.shown) == [1, 2]
    world.control.on_stacks(2, "it sleeps\n")
    assert world.said(client) is None
    world.control.on_stacks(1, "it works\n")
    told = world.said(client)
    assert told["stacks"] == {"1": "it works\n", "2": "it sleeps\n"}
    assert told["text"] == "worker 1:\nit works\n\nworker 2:\nit sleeps\n"


def test_the_stacks_of_one(world):
    client = world.ask("stacks", "2")
    assert world.shown == [2]
    world.control.on_stacks(1, "not asked for\n")
    assert world.said(client) is None
    world.control.on_stacks(2, "it sleeps\n")
    assert world.said(client)["stacks"] == {"2": "it sleeps\n"}


def test_who_does_not_say_what_it_does_is_said_to_be_stuck(world):
    client = world.ask("stacks")
    world.control.on_stacks(1, "it works\n")
    world.now += STACKS_WITHIN - 0.1
    assert world.said(client) is None
    world.now += 0.1
    told = world.said(client)
    assert told["stacks"]["1"] == "it works\n"
    assert "does not answer" in told["stacks"]["2"]


@pytest.mark.parametrize("argument", ["7", "one", "01"])
def test_the_stacks_of_a_worker_that_is_not_there(world, argument):
    assert f"no worker {argument}" in world.said(world.ask("stacks", argument))["error"]


def test_two_operators_get_an_answer_each(world):
    clients = [world.ask("stacks", "1"), world.ask("stacks", "1")]
    world.control.on_stacks(1, "it works\n")
    assert [world.said(client)["stacks"] for client in clients] == [{"1": "it works\n"}] * 2


# The end.


def test_a_drain_asked_for_twice_is_still_a_drain(world):
    for _ in range(2):
        assert "finishing" in world.said(world.ask("drain"))["text"]
        assert (world.table.stopping, world.table.stopping_at_once) == (True, False)


def test_a_stop_is_at_once(world):
    assert world.said(world.ask("stop"))["text"] == "ending at once"
    assert (world.table.stopping, world.table.stopping_at_once) == (True, True)
