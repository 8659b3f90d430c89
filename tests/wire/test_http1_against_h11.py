"""The engine and h11, another reading of the same RFCs, read the same bytes.

Requests that h11 writes, the engine must read as they were meant. Requests that something happened
to are given to both.
"""

import h11
import pytest
from hypothesis import given

from support.http1_oracle import LOOSER, STRICTER, ask_engine, compare, explain, lowered
from support.http1_requests import EXAMPLES, Sent, mangled, requests
from support.wire import Case, load_corpus

CORPUS = load_corpus("http1")


@EXAMPLES
@given(requests())
def test_requests_that_h11_writes(sent: Sent) -> None:
    client = h11.Connection(h11.CLIENT)
    head = h11.Request(
        method=sent.method, target=sent.target, headers=sent.fields + sent.framing_fields
    )
    data = client.send(head) or b""
    for piece in sent.body:
        data += client.send(h11.Data(data=piece)) or b""
    data += client.send(h11.EndOfMessage(headers=sent.trailers)) or b""
    request = ask_engine(data).request
    assert request is not None
    assert (request.method, request.target) == (sent.method, sent.target)
    assert request.fields == lowered(head.headers)
    assert request.body == b"".join(sent.body)
    assert request.trailers == lowered(sent.trailers)


@EXAMPLES
@given(mangled())
def test_requests_that_something_happened_to(data: bytes) -> None:
    compare(data)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_the_corpus(case: Case) -> None:
    """Its own limits are asked elsewhere; here the defaults must do for both."""
    compare(case.data)


def test_every_listed_difference_is_one() -> None:
    """A difference that no case of the corpus shows is a hole in the comparison."""
    shown = {reason for case in CORPUS for reason in explain(STRICTER | LOOSER, case.data)}
    assert shown == STRICTER.keys() | LOOSER.keys()


def test_a_valid_request_shows_no_difference() -> None:
    valid = b"POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert explain(STRICTER | LOOSER, valid + b"5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n") == []
