"""The session of a WebSocket on its own, between a carrier and a call that keep what they hear."""

from typing import Any

import pytest

from bascule.errors import ResponseError
from bascule.interfaces.exchange import Carrier, Exchange
from bascule.interfaces.session import (
    ABNORMAL_CLOSURE,
    MESSAGES_HIGH_WATER,
    SERVICE_RESTART,
    WebSocketCarrier,
    WebSocketSession,
)
from bascule.protocols.events import Request


class KeptCarrier(WebSocketCarrier):
    """told: what the session has asked for, in order."""

    def __init__(self) -> None:
        self.congested = False
        self.told: list[Any] = []

    def send_text(self, text: str) -> None:
        self.told.append(text)

    def send_binary(self, data: bytes) -> None:
        self.told.append(data)

    def send_ping(self, payload: bytes) -> None:
        self.told.append(("ping", payload))

    def close(self, code: int, reason: str) -> None:
        if code == 1:
            raise ResponseError("refused by the test")
        self.told.append((code, reason))

    def hold(self) -> None:
        self.told.append("hold")

    def proceed(self) -> None:
        self.told.append("proceed")


class KeptCall(Exchange):
    """woken: how often a reader, or a writer, was."""

    def __init__(self) -> None:
        super().__init__(a_request(), Carrier())
        self.woken = 0

    def resume_writing(self) -> None:
        self.woken += 1

    def wake_reader(self) -> None:
        self.woken += 1


def a_request() -> Request:
    return Request("GET", b"/", b"/", b"", "1.1", [], -1, True, False)


@pytest.fixture
def session() -> WebSocketSession:
    made = WebSocketSession(KeptCall(), 3)
    made.carrier = KeptCarrier()
    return made


def told(session: WebSocketSession) -> list[Any]:
    return session.carrier.told


def test_messages_in_order(session):
    for message in ("a", b"b", ""):
        session.receive_message(message)
    assert session.call.woken == 3
    assert [session.take() for _ in range(4)] == ["a", b"b", "", None]


def test_held_at_the_number_until_all_are_read(session):
    for number in range(3):
        assert told(session) == []
        session.receive_message(str(number))
    session.receive_message("one more, which was on its way")
    assert told(session) == ["hold"]
    for _ in range(3):
        session.take()
        assert told(session) == ["hold"]
    session.take()
    assert told(session) == ["hold", "proceed"]


def test_held_at_the_size(session):
    session.receive_message(bytes(MESSAGES_HIGH_WATER - 1))
    assert told(session) == []
    session.receive_message("a")
    assert told(session) == ["hold"]


def test_the_size_of_what_was_read_does_not_count(session):
    for _ in range(5):
        session.receive_message(bytes(MESSAGES_HIGH_WATER - 1))
        session.take()
    assert told(session) == []


def test_an_end_is_answered_at_once_where_nothing_is_owed(session):
    session.end(4000, "bye", True)
    assert told(session) == [(4000, "")]
    assert session.closed
    assert session.call.disconnected


def test_a_failure_is_told_with_its_reason(session):
    session.end(1002, "bad", False)
    assert told(session) == [(1002, "bad")]


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_an_end_waits_behind_messages(session, taken):
    session.receive_message("a")
    session.receive_message("b")
    for _ in range(taken):
        session.take()
    session.end(1000, "", True)
    assert told(session) == []
    assert not session.closed
    while session.take() is not None:
        assert told(session) == []
    assert told(session) == [(1000, "")]
    assert session.take() is None
    assert told(session) == [(1000, "")]


def test_an_end_is_concluded_once(session):
    session.receive_message("a")
    session.end(1000, "", True)
    for _ in range(2):
        session.conclude()
    session.close(4000, "")
    session.stop()
    assert told(session) == [(1000, "")]
    assert session.take() == "a"
    assert session.code == 1000


def test_nothing_is_concluded_before_there_is_an_end(session):
    session.conclude()
    assert told(session) == []
    assert not session.closed


def test_a_close_while_an_end_waits_answers_that(session):
    session.receive_message("a")
    session.end(4000, "theirs", True)
    session.close(4001, "ours")
    assert told(session) == [(4000, "")]
    assert (session.code, session.reason) == (4000, "theirs")


def test_a_close_that_is_refused_changes_nothing(session):
    with pytest.raises(ResponseError):
        session.close(1, "")
    assert not session.closed
    assert session.code == ABNORMAL_CLOSURE
    session.close(1000, "well")
    assert told(session) == [(1000, "well")]
    assert (session.code, session.reason, session.closed) == (1000, "well", True)


def test_a_loss(session):
    session.receive_message("a")
    session.lose()
    assert session.closed
    assert session.call.disconnected
    assert session.code == ABNORMAL_CLOSURE
    assert [session.take(), session.take()] == ["a", None]
    session.close(1000, "")
    assert told(session) == []


def test_a_loss_while_an_end_waits_is_that_end(session):
    session.receive_message("a")
    session.end(4000, "theirs", True)
    session.lose()
    assert [session.take(), session.take()] == ["a", None]
    assert told(session) == []
    assert (session.code, session.reason) == (4000, "theirs")


def test_nothing_is_let_on_behind_the_end(session):
    for _ in range(3):
        session.receive_message("a")
    session.lose()
    for _ in range(3):
        session.take()
    assert told(session) == ["hold"]


@pytest.mark.parametrize("code", [None, 1001])
def test_the_code_of_a_stop(session, code):
    if code is not None:
        session.stop_code = code
    session.stop()
    assert told(session) == [(code or SERVICE_RESTART, "")]
    assert session.code == (code or SERVICE_RESTART)


def test_what_is_sent_goes_to_the_carrier(session):
    session.send_text("a")
    session.send_binary(b"b")
    session.send_ping(b"c")
    assert told(session) == ["a", b"b", ("ping", b"c")]


def test_resuming_reaches_the_call(session):
    session.resume_writing()
    assert session.call.woken == 1
