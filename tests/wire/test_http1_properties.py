"""Properties of every sequence of bytes, however it is cut."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.http1.engine import Http1Engine
from bascule.protocols.limits import RequestLimits
from support.http1_requests import CONFUSING, EXAMPLES, Sent, cut, mangled, requests
from support.wire import Exchanged, Outcome, feed

# Small, so that a few hundred bytes reach every one of them.
LIMITS = RequestLimits(
    request_line=60, head=200, fields=6, body=80, chunk_line=20, trailer=40, discard=30
)
# Bytes that an engine may keep and has not handed out: the longest thing it must see whole.
MOST_KEPT = 200

pieces_of_garbage = st.one_of(st.binary(max_size=20), st.sampled_from(CONFUSING), mangled())
garbage = st.lists(pieces_of_garbage, max_size=4).map(b"".join)
streams = st.one_of(garbage, st.lists(requests().map(Sent.data), max_size=3).map(b"".join))


def assert_clean(one: Exchanged) -> None:
    """No byte reaches an application in a place where it has no meaning."""
    assert re.fullmatch(rb"\*|/[!-~]*", one.target), one.target
    for name, value in one.fields + one.trailers:
        assert re.fullmatch(rb"[!#$%&'*+.^`|~0-9a-z-]+", name), name
        assert re.fullmatch(rb"[\t -~\x80-\xff]*", value), value
        assert value == value.strip(b" \t")


def outcome_of(pieces: list[bytes], limits: RequestLimits) -> Outcome:
    return feed(Http1Engine(limits), iter(pieces))


@EXAMPLES
@given(st.data())
def test_no_bytes_raise_or_fill_memory(data: st.DataObject) -> None:
    raw = data.draw(streams)
    outcome = outcome_of(data.draw(cut(raw)), LIMITS)
    assert outcome.events_after_the_end == []
    # Behind a last request the bytes have no reader; before it, only what is not yet complete.
    if outcome.closed is not None:
        assert outcome.most_buffered <= MOST_KEPT
    for one in outcome.requests:
        assert len(one.body) <= LIMITS.body
        assert len(one.fields) <= LIMITS.fields
        assert_clean(one)


@EXAMPLES
@given(st.data())
def test_cuts_change_nothing(data: st.DataObject) -> None:
    raw = data.draw(streams)
    whole = outcome_of([raw], LIMITS)
    pieces = outcome_of(data.draw(cut(raw)), LIMITS)
    assert (whole.refused is None) == (pieces.refused is None)
    assert (whole.closed is None) == (pieces.closed is None)
    assert len(whole.requests) == len(pieces.requests)
    for one, other in zip(whole.requests, pieces.requests, strict=True):
        if not one.complete and whole.refused is not None:
            # How much of a body is seen before the byte that spoils it depends on the network.
            one.body = other.body = b""
        assert one == other


@EXAMPLES
@given(st.lists(requests(), min_size=1, max_size=4), st.data())
def test_valid_requests_come_out_as_they_went_in(sent: list[Sent], data: st.DataObject) -> None:
    raw = b"".join(one.data() for one in sent)
    outcome = outcome_of(data.draw(cut(raw)), RequestLimits())
    assert outcome.refused is None
    assert len(outcome.requests) == len(sent)
    for seen, one in zip(outcome.requests, sent, strict=True):
        assert (seen.method, seen.target, seen.body) == (
            one.method,
            one.target,
            b"".join(one.body),
        )
        assert seen.fields == [(k.lower(), v) for k, v in one.fields + one.framing_fields]
        assert seen.trailers == [(k.lower(), v) for k, v in one.trailers]
