"""Answers to probes."""

import pytest

from bascule.supervisor.decide import decide
from bascule.supervisor.health import answer
from bascule.supervisor.table import (
    Policy,
    StopRequested,
    SupervisorStarted,
    WorkerReady,
    WorkerTable,
)


def table_of(*events):
    table = WorkerTable(2)
    for event in (SupervisorStarted(), *events):
        table, _ = decide(table, event, 1.0, Policy())
    return table


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ((), b"503 Service Unavailable"),
        ((WorkerReady(1),), b"200 OK"),
        ((WorkerReady(1), StopRequested()), b"503 Service Unavailable"),
    ],
)
def test_one_worker_is_enough_to_be_ready(events, line):
    assert line in answer(b"GET /ready HTTP/1.1\r\n\r\n", table_of(*events))


@pytest.mark.parametrize("question", [b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\x00 / \r\n\r\n"])
def test_what_is_no_request_gets_an_answer_too(question):
    assert answer(question, table_of()).startswith(b"HTTP/1.1 4")
