"""Every case of the WebSocket corpus, fed to the engine in every way a network could cut it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.websocket_frames import TEXT, client_frame
from support.websocket_wire import (
    Plain,
    WebSocketCase,
    feed_websocket,
    load_case,
    load_websocket_corpus,
)
from support.wire import byte_by_byte, random_pieces

CASES = load_websocket_corpus()
ENDED = [case for case in CASES if case.end != ("lost",)]
BETWEEN_MESSAGES = [
    case for case in CASES if case.end == ("lost",) and case.name.split("/")[1] != "cut"
]
SEEDS = 4
# A header and the payload of a control frame: what an engine may keep that it cannot use yet.
MOST_KEPT = 8 + 125


def by_name(case: WebSocketCase) -> str:
    return case.name


def cuts(data: bytes, name: str) -> Iterator[Iterator[bytes]]:
    yield iter([data])
    yield byte_by_byte(data)
    for number in range(SEEDS):
        yield random_pieces(data, f"{name} {number}")


def check(case: WebSocketCase, events: list[Plain], wanted: list[Plain]) -> None:
    assert events[:-1] == wanted[:-1], case.why
    end, expected = events[-1], wanted[-1]
    if expected[0] != "failed":
        assert end == expected, case.why
        return
    assert end[:2] == expected[:2], f"{end}: {case.why}"
    assert str(expected[2]) in str(end[2]), f"{end}: {case.why}"
    assert re.fullmatch(r"[ -~]{1,123}", str(end[2]))


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_however_a_stream_is_cut(case: WebSocketCase) -> None:
    for pieces in cuts(case.data, case.name):
        events, most_buffered = feed_websocket(case.engine(), pieces)
        check(case, events, case.events)
        assert most_buffered <= MOST_KEPT


@pytest.mark.parametrize("case", ENDED, ids=by_name)
def test_nothing_follows_the_end(case: WebSocketCase) -> None:
    for pieces in cuts(case.data + client_frame(TEXT, b"never") * 2, case.name):
        check(case, feed_websocket(case.engine(), pieces)[0], case.events)


@pytest.mark.parametrize("case", ENDED, ids=by_name)
def test_nothing_has_to_follow_for_the_end(case: WebSocketCase) -> None:
    """The client waits for an answer and sends no more; its connection stays."""
    engine = case.engine()
    engine.receive_data(case.data)
    kinds = []
    while (event := engine.next_event()) is not None:
        kinds.append(event)
    assert len(kinds) == len(case.events)


@pytest.mark.parametrize("case", BETWEEN_MESSAGES, ids=by_name)
def test_a_stream_twice(case: WebSocketCase) -> None:
    """One message leaves no trace in the next."""
    for pieces in cuts(case.data * 2, case.name):
        check(case, feed_websocket(case.engine(), pieces)[0], case.events[:-1] + case.events)


@pytest.mark.parametrize("case", ENDED, ids=by_name)
def test_the_end_comes_as_it_is_behind_other_messages(case: WebSocketCase) -> None:
    """Messages before a frame that is refused are not lost with it."""
    for pieces in cuts(client_frame(TEXT) + case.data, case.name):
        check(case, feed_websocket(case.engine(), pieces)[0], [("text", ""), *case.events])


def test_the_websocket_corpus_has_every_side() -> None:
    kinds = [case.end[0] for case in CASES]
    assert len({(case.data, case.limits, case.offer) for case in CASES}) == len(CASES)
    assert all(case.why.endswith(".") for case in CASES)
    assert kinds.count("failed") > 60
    assert kinds.count("closed") > 10
    assert len(BETWEEN_MESSAGES) > 20


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("why = ''\n", "no line '---'"),
        ("why = ''\nevent = []\n---\n", "event"),
        ("why = ''\nevents = []\n---\n", "one end"),
        ("why = ''\nevents = [['lost'], ['ping', '']]\n---\n", "one end"),
        ("why = ''\nevents = [['pinged', ''], ['lost']]\n---\n", "pinged"),
    ],
)
def test_mistakes_in_a_websocket_case_are_errors(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "case.ws"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        load_case(path)
