"""Every case of the HTTP/2 corpus, fed to the engine in every way a network could cut it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.http2_frames import ERRORS, OPENING, data, frames_of, headers
from support.http2_wire import (
    Http2Case,
    Plain,
    describe,
    feed_http2,
    load_cases,
    load_http2_corpus,
)
from support.wire import byte_by_byte, random_pieces

CASES = load_http2_corpus()
FAILED = [case for case in CASES if case.events and case.events[-1][0] == "failed"]
SEEDS = 3
# A frame, and what came before the preface was whole.
MOST_KEPT = 9 + 16384
WINDOWS = "window_update"


def by_name(case: Http2Case) -> str:
    return case.name


def cuts(data: bytes, name: str) -> Iterator[Iterator[bytes]]:
    yield iter([data])
    if len(data) < 20000:
        yield byte_by_byte(data)
    for number in range(SEEDS):
        yield random_pieces(data, f"{name} {number}")


def check(case: Http2Case, events: list[Plain]) -> None:
    assert [event[0] for event in events] == [event[0] for event in case.events], case.why
    for event, wanted in zip(events, case.events, strict=True):
        if event[0] in ("refused", "reset", "failed"):
            assert event[:-1] == wanted[:-1], f"{event}: {case.why}"
            assert wanted[-1] in event[-1], f"{event}: {case.why}"
            assert re.fullmatch(r"[ -~]{1,200}", event[-1])
        else:
            assert event[: len(wanted)] == wanted, case.why


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_however_frames_are_cut(case: Http2Case) -> None:
    for pieces in cuts(case.data, case.name):
        events, written, most_buffered = feed_http2(case.engine(), pieces)
        check(case, events)
        answers = [describe(frame) for frame in frames_of(written) if frame.kind != WINDOWS]
        assert answers.pop(0) == "settings"
        if case.data.startswith(OPENING):
            assert answers.pop(0) == "settings ack"
        if case.answers is not None:
            assert answers == case.answers, case.why
        assert most_buffered <= MOST_KEPT


@pytest.mark.parametrize("case", FAILED, ids=by_name)
def test_nothing_follows_the_end(case: Http2Case) -> None:
    engine = case.engine()
    events, _, _ = feed_http2(engine, [case.data + headers(99) + data(99, b"x")])
    check(case, events)
    assert (engine.next_event(), engine.buffered, engine.streams.open) == (None, 0, {})
    assert len(engine.take_outgoing(2**31)) == 0


def test_the_corpus_has_every_side() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert len(
        {(case.data, case.limits, case.own, case.header_map, case.websockets) for case in CASES}
    ) == len(CASES)
    assert all(case.why.endswith(".") for case in CASES)
    codes = {event[1] for case in FAILED for event in case.events if event[0] == "failed"}
    codes |= {event[2] for case in CASES for event in case.events if event[0] == "reset"}
    # The others are for the connection to say: see the tests of the engine.
    elsewhere = {
        *("NO_ERROR", "INTERNAL_ERROR", "SETTINGS_TIMEOUT", "CANCEL", "CONNECT_ERROR"),
        *("INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"),
    }
    assert codes == set(ERRORS) - elsewhere


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[case]]\nname = ''\nevent = []\n", "event"),
        ("[[case]]\nname = ''\nwhy = ''\nframes = ''\nevents = [['lost']]\n", "lost"),
    ],
)
def test_mistakes_in_a_case_are_errors(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "case.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        load_cases(path)
