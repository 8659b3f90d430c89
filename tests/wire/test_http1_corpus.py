"""Every case of the corpus, fed to the HTTP/1.1 engine in every way a network could cut it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.wire import Case, Exchanged, Outcome, byte_by_byte, feed, load_corpus, random_pieces

CASES = load_corpus("http1")
REFUSED = [case for case in CASES if case.statuses]
SERVED = [case for case in CASES if not case.statuses]
REPEATABLE = [
    case
    for case in SERVED
    if case.eof == "clean" and case.requests and all(one.keep_alive for one in case.requests)
]
SEEDS = 4
NEXT = b"GET /never HTTP/1.1\r\nHost: a.example\r\n\r\n"


def by_name(case: Case) -> str:
    return case.name


def cuts(data: bytes, name: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Ways to cut `data`, each with words that tell how to do it again."""
    yield "whole", iter([data])
    yield "byte by byte", byte_by_byte(data)
    for number in range(SEEDS):
        seed = f"{name} {number}"
        yield f"random_pieces(data, {seed!r})", random_pieces(data, seed)


@contextmanager
def noting(words: str) -> Iterator[None]:
    """Adds to a failure how the bytes were cut."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"fed {words}")
        raise


def check(case: Case, outcome: Outcome) -> None:
    """The outcome is what the file says, and nothing follows the end of it."""
    assert len(outcome.requests) == len(case.requests), case.why
    for seen, wanted in zip(outcome.requests, case.requests, strict=True):
        check_request(case, seen, wanted)
    check_end(case, outcome)


def check_request(case: Case, seen: Exchanged, wanted: Exchanged) -> None:
    assert (seen.method, seen.target) == (wanted.method, wanted.target), case.why
    assert seen.version == wanted.version, case.why
    assert seen.fields == wanted.fields, case.why
    assert seen.complete == wanted.complete, case.why
    if not wanted.complete and case.statuses:
        assert wanted.body.startswith(seen.body), case.why
    else:
        assert seen.body == wanted.body, case.why
    assert seen.trailers == wanted.trailers, case.why
    assert seen.expects_continue == wanted.expects_continue, case.why
    if wanted.content_length is not None:
        assert seen.content_length == wanted.content_length, case.why
    if wanted.complete:
        assert seen.keep_alive == wanted.keep_alive, case.why


def check_end(case: Case, outcome: Outcome) -> None:
    assert outcome.events_after_the_end == [], case.why
    if not case.statuses:
        assert outcome.refused is None, f"{outcome.refused}: {case.why}"
        last_one = bool(case.requests) and not case.requests[-1].keep_alive
        # After the last request of a connection nothing is parsed, not even the end.
        assert (outcome.closed is None) == last_one
        assert outcome.closed is None or outcome.closed.clean == (case.eof != "cut"), case.why
        return
    assert outcome.refused is not None, case.why
    assert outcome.refused.status in case.statuses, f"{outcome.refused}: {case.why}"
    assert case.reason.lower() in outcome.refused.reason.lower(), f"{outcome.refused}: {case.why}"
    assert outcome.refused.reason.isascii()
    assert outcome.refused.reason.isprintable()


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_however_it_is_cut(case: Case) -> None:
    for words, pieces in cuts(case.data, case.name):
        with noting(words):
            check(case, feed(case.engine(), pieces))


@pytest.mark.parametrize("case", REFUSED, ids=by_name)
def test_nothing_after_a_refusal(case: Case) -> None:
    """CVE-2024-49768: whatever follows a refused request, no event comes of it."""
    for words, pieces in cuts(case.data + b"\r\n\r\n" + NEXT + NEXT, case.name):
        with noting(words):
            check(case, feed(case.engine(), pieces))


@pytest.mark.parametrize("case", REPEATABLE, ids=by_name)
def test_pipelined_twice(case: Case) -> None:
    """One request leaves no trace in the next (RFC 9112 section 9.3.2)."""
    for words, pieces in cuts(case.data + case.data, case.name):
        with noting(words):
            outcome = feed(case.engine(), pieces)
            assert len(outcome.requests) == 2 * len(case.requests)
            for seen, wanted in zip(outcome.requests, case.requests * 2, strict=True):
                check_request(case, seen, wanted)
            check_end(case, outcome)


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_answered_before_the_body(case: Case) -> None:
    """An application may answer without reading: the body is thrown away, the rest is found."""
    outcome = feed(case.engine(), random_pieces(case.data, case.name), early=True)
    # A client that waits for 100 (Continue) may not send its body after an answer, and of a
    # chunked body the rest has no known length, so the connection ends there.
    waits = [number for number, wanted in enumerate(case.requests) if ends_early(wanted)]
    wanted = case.requests[: waits[0] + 1] if waits else case.requests
    assert [seen.target for seen in outcome.requests] == [request.target for request in wanted]
    assert all(seen.body == b"" for seen in outcome.requests)
    if not waits:
        assert (outcome.refused is not None) == bool(case.statuses)


def ends_early(request: Exchanged) -> bool:
    chunked = any(name == b"transfer-encoding" for name, _ in request.fields)
    return chunked or request.expects_continue


def test_the_corpus_has_both_sides() -> None:
    assert len(REFUSED) > 300
    assert len(REPEATABLE) > 80
