"""The table of response states, and `RespondingExchange`, which takes the steps."""

from typing import Any

import pytest

from bascule.errors import ResponseError
from bascule.interfaces import response_states as states
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Carrier
from bascule.interfaces.responding import RespondingExchange
from bascule.interfaces.response_states import (
    ABORT,
    ANSWER,
    BEFORE_TRAILERS,
    BODY,
    BROKEN,
    COMPLETE,
    DROPPING,
    END,
    FORBIDDEN,
    HEAD_KEPT,
    HINT,
    IDLE,
    NEXT_STATES,
    SENDING,
    STEPS,
    SWITCHED,
    TRANSITIONS,
)
from bascule.protocols.events import Request

# The steps that call the carrier, beside ABORT and DROP_END.
CARRIED = ("HINT", "BODY", "BODY_END", "END", "TRAILERS", "ANSWER", "DROP", "SWITCH", "ABORT")


class FailingCarrier(Carrier):
    """A carrier that raises in some of its methods, and notes the calls of all."""

    def __init__(self, *fails: str, error: type[Exception] = LookupError) -> None:
        self.endpoint = Endpoint(None, None)
        self.congested = False
        self.fails = fails
        self.error = error
        self.calls: list[tuple[Any, ...]] = []

    def note(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if name in self.fails:
            raise self.error(name)

    def respond(self, status, fields, body, end, reason=b""):  # type: ignore[no-untyped-def]
        self.note("respond", status, end)

    def send(self, data, end):  # type: ignore[no-untyped-def]
        self.note("send", data, end)

    def send_file(self, file, offset, count, end):  # type: ignore[no-untyped-def]
        self.note("send_file", end)

    def send_trailers(self, fields):  # type: ignore[no-untyped-def]
        self.note("send_trailers")

    def accept(self, session, subprotocol, fields):  # type: ignore[no-untyped-def]
        self.note("accept")

    def abort(self) -> None:
        self.note("abort")


def exchange_in(state: int, carrier: Carrier) -> RespondingExchange:
    request = Request("GET", b"/", b"/", b"", "1.1", [], 0, True, False)
    exchange = RespondingExchange(request, carrier)
    exchange.state = state
    return exchange


def test_the_flat_table_is_the_table() -> None:
    assert len(NEXT_STATES) == len(TRANSITIONS) * STEPS
    for state, following in TRANSITIONS.items():
        for step in range(STEPS):
            assert NEXT_STATES[state * STEPS + step] == following.get(step, FORBIDDEN)


def test_all_states_and_steps_have_names() -> None:
    assert states.STATE_NAMES.keys() == TRANSITIONS.keys()
    assert sorted(states.STEP_NAMES) == list(range(STEPS))


def test_no_step_leads_back() -> None:
    for state, following in TRANSITIONS.items():
        for step, then in following.items():
            repeats = then == state and step in (HINT, BODY)
            assert then > state or repeats or state == DROPPING, (state, step)


@pytest.mark.parametrize("state", [SWITCHED, COMPLETE, DROPPING, BROKEN])
def test_no_step_uses_the_carrier_once_it_may_carry_another_exchange(state: int) -> None:
    carried = {getattr(states, name) for name in CARRIED}
    assert not carried & TRANSITIONS[state].keys()


@pytest.mark.parametrize("step", range(STEPS))
@pytest.mark.parametrize("state", TRANSITIONS)
def test_commit_follows_the_table(state: int, step: int) -> None:
    exchange = exchange_in(state, FailingCarrier())
    following = TRANSITIONS[state].get(step)
    if following is None:
        with pytest.raises(ResponseError, match="is not allowed"):
            exchange.commit(step)
        assert exchange.state == state
    else:
        assert exchange.commit(step) == state
        assert exchange.state == following


@pytest.mark.parametrize(
    ("state", "method", "call", "after"),
    [
        (HEAD_KEPT, "respond", lambda one: one.respond(END, 200, [], b""), IDLE),
        (HEAD_KEPT, "respond", lambda one: one.respond(BODY, 200, [], b""), IDLE),
        (IDLE, "respond", lambda one: one.answer(503, [], b""), IDLE),
        (SENDING, "send", lambda one: one.send_piece(BODY, b"x"), SENDING),
        (SENDING, "send", lambda one: one.send_piece(END, b"x"), SENDING),
        (SENDING, "send", lambda one: one.send_piece(states.DROP, b""), SENDING),
        (SENDING, "send_file", lambda one: one.send_part(END, None, 0, 1), SENDING),
        (BEFORE_TRAILERS, "send_trailers", lambda one: one.end_with([]), BEFORE_TRAILERS),
        (IDLE, "accept", lambda one: one.switch(None, None, []), IDLE),
    ],
)
def test_a_step_that_raises_is_taken_back(state: int, method: str, call: Any, after: int) -> None:
    carrier = FailingCarrier(method)
    exchange = exchange_in(state, carrier)
    with pytest.raises(LookupError):
        call(exchange)
    assert exchange.state == after
    assert [name for name, *_ in carrier.calls] == [method]


@pytest.mark.parametrize("step", [BODY, END])
def test_the_carrier_learns_whether_the_response_ends(step: int) -> None:
    carrier = FailingCarrier()
    exchange = exchange_in(HEAD_KEPT, carrier)
    exchange.respond(step, 200, [], b"")
    assert carrier.calls == [("respond", 200, step == END)]


@pytest.mark.parametrize("state", [IDLE, HEAD_KEPT])
def test_giving_up_before_the_head_is_a_500(state: int) -> None:
    carrier = FailingCarrier()
    exchange = exchange_in(state, carrier)
    exchange.give_up()
    assert carrier.calls == [("respond", 500, True)]
    assert exchange.state == COMPLETE


@pytest.mark.parametrize("state", [SENDING, BEFORE_TRAILERS])
def test_giving_up_after_the_head_aborts(state: int) -> None:
    carrier = FailingCarrier()
    exchange = exchange_in(state, carrier)
    exchange.give_up()
    assert carrier.calls == [("abort",)]
    assert exchange.state == BROKEN


@pytest.mark.parametrize("state", [SWITCHED, COMPLETE, DROPPING, BROKEN])
def test_giving_up_afterwards_changes_nothing(state: int) -> None:
    carrier = FailingCarrier()
    exchange = exchange_in(state, carrier)
    exchange.give_up()
    assert carrier.calls == []
    assert exchange.state == state


def test_a_500_that_the_carrier_refuses_aborts() -> None:
    carrier = FailingCarrier("respond", error=ResponseError)
    exchange = exchange_in(HEAD_KEPT, carrier)
    exchange.give_up()
    assert carrier.calls == [("respond", 500, True), ("abort",)]
    assert exchange.state == BROKEN


def test_a_500_at_which_the_carrier_fails_aborts_and_raises() -> None:
    carrier = FailingCarrier("respond")
    exchange = exchange_in(HEAD_KEPT, carrier)
    with pytest.raises(LookupError):
        exchange.give_up()
    assert carrier.calls == [("respond", 500, True), ("abort",)]
    assert exchange.state == BROKEN


def test_answer_is_whole() -> None:
    carrier = FailingCarrier()
    exchange = exchange_in(IDLE, carrier)
    exchange.answer(503, [], b"later")
    assert carrier.calls == [("respond", 503, True)]
    assert not {ANSWER, ABORT} & TRANSITIONS[exchange.state].keys()
