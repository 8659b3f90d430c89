"""protocols/websocket/handshake.py: who is let in, and what is agreed (RFC 6455 section 4.2)."""

from typing import Any

import pytest

from bascule.errors import RequestRefused, ResponseError
from bascule.protocols.websocket.handshake import (
    Offer,
    is_websocket_upgrade,
    negotiate,
    read_offer,
    response_fields,
)

Fields = list[tuple[bytes, bytes]]
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE: Fields = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
VERSION = (b"sec-websocket-version", b"13")
OFFER: Fields = [VERSION, (b"sec-websocket-key", KEY)]


def offer(extensions: list[bytes] | None = None, subprotocols: list[str] | None = None) -> Offer:
    return Offer(KEY, subprotocols or [], extensions or [])


# Is it one?


def test_an_upgrade() -> None:
    assert is_websocket_upgrade("GET", "1.1", UPGRADE)


@pytest.mark.parametrize(
    "fields",
    [
        [(b"upgrade", b"WebSocket"), (b"connection", b"keep-alive, UPGRADE")],
        [(b"upgrade", b"h2c,websocket"), (b"connection", b"upgrade\t,")],
        [(b"connection", b"x"), (b"upgrade", b"x"), *UPGRADE],
    ],
)
def test_an_upgrade_in_other_words(fields: Fields) -> None:
    assert is_websocket_upgrade("GET", "1.1", fields)


@pytest.mark.parametrize(
    ("method", "version", "fields"),
    [
        ("POST", "1.1", UPGRADE),
        ("get", "1.1", UPGRADE),
        ("GET", "1.0", UPGRADE),
        ("GET", "2", UPGRADE),
        ("GET", "1.1", []),
        ("GET", "1.1", UPGRADE[:1]),
        ("GET", "1.1", UPGRADE[1:]),
        ("GET", "1.1", [(b"upgrade", b"websocket"), (b"connection", b"close")]),
        ("GET", "1.1", [(b"upgrade", b"websocket/13"), (b"connection", b"upgrade")]),
        ("GET", "1.1", [(b"upgrade", b"web socket"), (b"connection", b"upgrade")]),
        ("GET", "1.1", [(b"upgrade", b"h2c"), (b"connection", b"upgrade, websocket")]),
    ],
)
def test_what_is_an_ordinary_request(method: str, version: str, fields: Fields) -> None:
    assert not is_websocket_upgrade(method, version, fields)


# The offer of the client.


def test_an_offer() -> None:
    one = read_offer(OFFER)
    assert (one.key, one.subprotocols, one.extensions) == (KEY, [], [])
    one = read_offer(
        [
            *OFFER,
            (b"sec-websocket-protocol", b"b,  a"),
            (b"sec-websocket-protocol", b",c\t,"),
            (b"sec-websocket-protocol", b""),
            (b"sec-websocket-extensions", b"x; y"),
            (b"sec-websocket-extensions", b""),
        ]
    )
    assert one.subprotocols == ["b", "a", "c"]
    assert one.extensions == [b"x; y", b""]
    assert repr(one) == "<Offer subprotocols=['b', 'a', 'c'] extensions=[b'x; y', b'']>"


def refused(fields: Fields) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        read_offer(fields)
    return caught.value


@pytest.mark.parametrize(
    "key",
    [
        *(b"", b"x", KEY[:-1], KEY + b"=", KEY[:-2], b" " + KEY, KEY.replace(b"d", b"-")),
        *(KEY.replace(b"d", b"\xe9"), KEY + b"\n", KEY[:21] + b"===", KEY + KEY, b"=" * 24),
    ],
)
def test_a_key_is_16_bytes_in_base64(key: bytes) -> None:
    error = refused([VERSION, (b"sec-websocket-key", key)])
    assert (error.status, error.reason) == (400, "Sec-WebSocket-Key is not 16 bytes in base64")


def test_there_is_one_key() -> None:
    assert "no Sec-WebSocket-Key" in refused([VERSION]).reason
    assert "more than one Sec-WebSocket-Key" in refused([*OFFER, OFFER[1]]).reason


@pytest.mark.parametrize("version", [b"", b"8", b"12", b"13, 13", b"013", b"+13", b"14", b"\xb2"])
def test_only_version_13(version: bytes) -> None:
    error = refused([(b"sec-websocket-version", version), OFFER[1]])
    assert (error.status, error.fields) == (426, ((b"sec-websocket-version", b"13"),))


def test_there_is_one_version() -> None:
    assert refused([OFFER[1]]).status == 426
    error = refused([*OFFER, VERSION])
    assert (error.status, error.fields) == (400, ())


@pytest.mark.parametrize(
    "value", [b"a b", b"a;b", b"a, \xe9", b'"a"', b"a/b", b"a\0", b"caf\xc3\xa9", b"(x)", b"\x80"]
)
def test_subprotocols_are_tokens(value: bytes) -> None:
    """CVE-2026-42544 is about those that are not ASCII."""
    error = refused([*OFFER, (b"sec-websocket-protocol", value)])
    assert (error.status, error.reason) == (
        400,
        "Sec-WebSocket-Protocol is not a list of tokens",
    )


def test_subprotocols_are_different() -> None:
    error = refused([*OFFER, *[(b"sec-websocket-protocol", b"a")] * 2])
    assert (error.status, error.reason) == (400, "Sec-WebSocket-Protocol has a name twice")
    assert read_offer([*OFFER, (b"sec-websocket-protocol", b"a, A")]).subprotocols == ["a", "A"]


# The agreement about compression.


@pytest.mark.parametrize(
    ("extensions", "answer", "agreed"),
    [
        (b"permessage-deflate", b"permessage-deflate", (False, False, 12, 15)),
        (
            b"permessage-deflate; client_max_window_bits",
            b"permessage-deflate; client_max_window_bits=12",
            (False, False, 12, 12),
        ),
        (
            b"permessage-deflate;client_max_window_bits=15;server_max_window_bits=15",
            b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
            (False, False, 12, 12),
        ),
        (
            b"permessage-deflate; client_max_window_bits=8; server_max_window_bits=9",
            b"permessage-deflate; server_max_window_bits=9; client_max_window_bits=8",
            (False, False, 9, 8),
        ),
        (
            b"permessage-deflate; server_no_context_takeover",
            b"permessage-deflate; server_no_context_takeover",
            (True, False, 12, 15),
        ),
        (
            b"permessage-deflate; client_no_context_takeover",
            b"permessage-deflate; client_no_context_takeover",
            (False, True, 12, 15),
        ),
        (
            b'permessage-deflate ; server_max_window_bits = "1\\0" ;\tclient_no_context_takeover ',
            b"permessage-deflate; client_no_context_takeover; server_max_window_bits=10",
            (False, True, 10, 15),
        ),
        (b"x-other; a=1, permessage-deflate", b"permessage-deflate", (False, False, 12, 15)),
        (b", ,permessage-deflate,,", b"permessage-deflate", (False, False, 12, 15)),
        (
            b"permessage-deflate; server_max_window_bits=8, permessage-deflate; x, "
            b"permessage-deflate; client_no_context_takeover, permessage-deflate",
            b"permessage-deflate; client_no_context_takeover",
            (False, True, 12, 15),
        ),
    ],
)
def test_an_offer_that_is_met(
    extensions: bytes, answer: bytes, agreed: tuple[bool, bool, int, int]
) -> None:
    deflate, value = negotiate(offer([extensions]), True)
    assert value == answer
    assert deflate is not None
    assert agreed == (
        deflate.server_no_context_takeover,
        deflate.client_no_context_takeover,
        deflate.server_max_window_bits,
        deflate.client_max_window_bits,
    )


@pytest.mark.parametrize(
    "parameters",
    [
        b"unknown",
        b"unknown=1",
        b"server_no_context_takeover=1",
        b"client_no_context_takeover=true",
        b"server_no_context_takeover; server_no_context_takeover",
        b"client_max_window_bits; client_max_window_bits=10",
        b"client_max_window_bits=7",
        b"client_max_window_bits=16",
        b"client_max_window_bits=010",
        b"client_max_window_bits=x",
        b"server_max_window_bits",
        b"server_max_window_bits=7",
        b"server_max_window_bits=16",
        b"server_max_window_bits=09",
        b"server_max_window_bits=1000000000000000000000000000000",
        # RFC 7692 allows it; zlib cannot do it.
        b"server_max_window_bits=8",
    ],
)
def test_an_offer_that_is_declined(parameters: bytes) -> None:
    """RFC 7692 sections 5.1 and 7.1: not an error of the handshake, and the next offer counts."""
    extensions = b"permessage-deflate; " + parameters
    assert negotiate(offer([extensions]), True) == (None, None)
    deflate, value = negotiate(offer([extensions, b"permessage-deflate"]), True)
    assert deflate is not None
    assert value == b"permessage-deflate"


@pytest.mark.parametrize(
    "extensions",
    [
        b"permessage-deflate;",
        b"permessage-deflate; ;client_max_window_bits",
        b"permessage-deflate, b c",
        b"permessage-deflate, x; a=",
        b"permessage-deflate, x; a=b c",
        b'permessage-deflate, x; a="b',
        b'permessage-deflate, x; a=""',
        b'permessage-deflate, x; a="b c"',
        b'permessage-deflate, x; a="b,c"',
        b"permessage-deflate, =x",
        b"permessage-deflate, x=y",
        b"permessage-deflate, \xe9",
        b"permessage-deflate=1",
    ],
)
def test_a_malformed_list_offers_nothing(extensions: bytes) -> None:
    assert negotiate(offer([extensions]), True) == (None, None)
    assert negotiate(offer([b"permessage-deflate", extensions]), True) == (None, None)


def test_nothing_is_agreed_without_an_offer_or_a_wish() -> None:
    assert negotiate(offer(), True) == (None, None)
    assert negotiate(offer([b"permessage-bzip2"]), True) == (None, None)
    assert negotiate(offer([b"permessage-deflate"]), False) == (None, None)


def test_white_space_and_separators_take_no_more_time_than_they_are_long() -> None:
    """A header of 64 KiB; a regular expression that goes back would take minutes."""
    for piece in (b" ", b"\t ", b"; ", b"a ;", b'a="', b'a="\\', b"a = ", b';a="b"', b",", b" ,a"):
        negotiate(offer([b"permessage-deflate" + piece * (65536 // len(piece)) + b"("]), True)


# The answer.


def test_the_answer_of_the_rfc() -> None:
    """RFC 6455 section 1.3."""
    assert response_fields(offer(subprotocols=["chat", "superchat"]), "chat", None, []) == [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", ACCEPT),
        (b"sec-websocket-protocol", b"chat"),
    ]


def test_the_answer_with_everything() -> None:
    own = [(b"Set-Cookie", b"a=b"), (b"set-cookie", b"c=d")]
    dropped = [
        (b"Connection", b"close"),
        (b"upgrade", b"h2c"),
        (b"Content-Length", b"5"),
        (b"transfer-encoding", b"chunked"),
    ]
    assert response_fields(offer(), None, b"permessage-deflate", dropped + own) == [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", ACCEPT),
        (b"sec-websocket-extensions", b"permessage-deflate"),
        *own,
    ]


def test_a_subprotocol_is_one_of_those_offered() -> None:
    with pytest.raises(ResponseError, match=r"'c' is not among those .*: a, b"):
        response_fields(offer(subprotocols=["a", "b"]), "c", None, [])
    with pytest.raises(ResponseError, match=r"'' is not among those .*: none"):
        response_fields(offer(), "", None, [])


@pytest.mark.parametrize(
    ("field", "complaint"),
    [
        ((b"sec-websocket-protocol", b"a"), "is the server's to say"),
        ((b"Sec-WebSocket-Accept", b"a"), "is the server's to say"),
        (("x", b"a"), "'x' is str, not bytes"),
    ],
)
def test_what_the_application_cannot_say(field: Any, complaint: str) -> None:
    with pytest.raises(ResponseError, match=complaint):
        response_fields(offer(), None, None, [field])
