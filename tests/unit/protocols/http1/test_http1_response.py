"""protocols/http1/response.py: how a response is framed, and what an application may not say."""

from typing import Any

import pytest

from bascule.errors import ResponseError
from bascule.protocols.headers import (
    CONNECTION,
    CONTENT_LENGTH,
    FIELD_VALUE,
    HOP_BY_HOP,
    KINDS,
    TOKEN,
    TRANSFER_ENCODING,
    UPGRADE,
)
from bascule.protocols.http1.response import ResponseWriter
from bascule.protocols.response_fields import ResponseDefaults

Fields = list[tuple[bytes, bytes]]


def writer(*, head: bool = False, old: bool = False, keep_alive: bool = True) -> ResponseWriter:
    """A writer that has just begun; `old` is HTTP/1.0."""
    one = ResponseWriter(ResponseDefaults())
    one.begin(head, old, keep_alive)
    return one


def respond(
    status: int = 200,
    fields: Fields | None = None,
    body: bytes = b"",
    end: bool = True,
    reason: bytes = b"",
    one: ResponseWriter | None = None,
) -> bytes:
    return (one or writer()).head(status, reason, fields or [], body, end)


def lines(data: bytes) -> list[bytes]:
    return data.partition(b"\r\n\r\n")[0].split(b"\r\n")


# How a response is framed: RFC 9112 section 6, seen from the sender.


def test_a_whole_body_has_its_length() -> None:
    data = respond(200, [(b"content-type", b"text/plain")], b"hello")
    assert data == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"


def test_an_empty_body_has_its_length() -> None:
    assert respond() == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def test_a_declared_length_is_kept_and_counted() -> None:
    one = writer()
    data = respond(200, [(b"Content-Length", b"5")], b"he", False, one=one)
    assert data == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe"
    assert one.data(b"llo", True) == b"llo"
    assert one.complete
    assert one.keep_alive


def test_an_unknown_length_is_chunked() -> None:
    one = writer()
    data = respond(200, [], b"he", False, one=one)
    assert data == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n"
    assert one.data(b"", False) == b""
    assert one.data(b"x" * 26, False) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert one.data(b"llo", True) == b"3\r\nllo\r\n0\r\n\r\n"
    assert one.complete


def test_an_empty_last_piece_ends_the_chunks() -> None:
    one = writer()
    assert respond(200, [], b"", False, one=one).endswith(b"\r\n\r\n")
    assert one.data(b"", True) == b"0\r\n\r\n"


def test_an_unknown_length_in_http_1_0_ends_with_the_connection() -> None:
    one = writer(old=True)
    data = respond(200, [], b"he", False, one=one)
    assert data == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhe"
    assert one.data(b"llo", True) == b"llo"
    assert not one.keep_alive


def test_persistence_in_http_1_0_is_said() -> None:
    one = writer(old=True)
    assert b"connection: keep-alive" in lines(respond(200, [], b"x", one=one))
    assert one.keep_alive


def test_close_is_said() -> None:
    assert b"connection: close" in lines(respond(one=writer(keep_alive=False)))
    assert b"connection: close" in lines(respond(one=writer(keep_alive=False, old=True)))


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        (200, [], []),
        (200, [(b"content-length", b"7")], [b"content-length: 7"]),
        (304, [(b"etag", b'"1"')], [b'etag: "1"']),
    ],
)
def test_head_has_no_body(status: int, fields: Fields, expected: list[bytes]) -> None:
    one = writer(head=True)
    data = respond(status, fields, b"", False, one=one)
    assert lines(data)[1:] == expected
    assert data.endswith(b"\r\n\r\n")
    assert one.data(b"dropped", False) == b""
    assert one.data(b"", True) == b""
    assert one.complete
    assert not one.dropped_body


def test_head_says_the_length_of_what_was_not_sent() -> None:
    assert lines(respond(200, [], b"hello", one=writer(head=True)))[1:] == [b"content-length: 5"]


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(status: int) -> None:
    """RFC 9110 sections 15.3.5 and 15.4.5: what the application sends is dropped, and told."""
    one = writer()
    data = respond(status, [], b"not allowed", True, one=one)
    assert data.partition(b"\r\n\r\n")[2] == b""
    assert b"transfer-encoding: chunked" not in lines(data)
    assert one.dropped_body
    assert one.complete
    assert one.keep_alive


def test_later_pieces_without_a_body_are_dropped_too() -> None:
    one = writer()
    respond(204, [], b"", False, one=one)
    assert not one.dropped_body
    assert one.data(b"not allowed", True) == b""
    assert one.dropped_body


@pytest.mark.parametrize("head", [False, True])
def test_a_304_has_no_length_of_a_body_that_is_dropped(head: bool) -> None:
    """RFC 9110 section 8.6: it would be taken for that of the representation."""
    data = respond(304, [], b"not allowed", True, one=writer(head=head))
    assert lines(data) == [b"HTTP/1.1 304 Not Modified"]


def test_204_has_no_length() -> None:
    """RFC 9110 section 8.6."""
    assert lines(respond(204, [(b"content-length", b"0")])) == [b"HTTP/1.1 204 No Content"]


def test_304_keeps_the_length_of_the_representation() -> None:
    """RFC 9110 section 8.6: what a 200 would have said."""
    assert b"content-length: 77" in lines(respond(304, [(b"content-length", b"77")]))


# Fields that the server adds or takes away.


def defaults() -> ResponseDefaults:
    given = ResponseDefaults()
    given.date = b"date: now\r\n"
    given.server = b"server: ours\r\n"
    given.extra = b"x-extra: 1\r\n"
    return given


def test_the_server_adds_its_own_fields() -> None:
    one = ResponseWriter(defaults())
    assert lines(respond(204, one=one))[1:] == [b"date: now", b"server: ours", b"x-extra: 1"]


def test_the_application_has_the_word_on_date_and_server() -> None:
    one = ResponseWriter(defaults())
    fields = [(b"Date", b"then"), (b"Server", b"theirs")]
    assert lines(respond(204, fields, one=one))[1:] == [
        b"Date: then",
        b"Server: theirs",
        b"x-extra: 1",
    ]


def test_a_switch_has_the_servers_own_fields() -> None:
    one = ResponseWriter(defaults())
    head = one.switching([(b"upgrade", b"x"), (b"Connection", b"Upgrade")])
    assert lines(head) == [
        b"HTTP/1.1 101 Switching Protocols",
        b"upgrade: x",
        b"Connection: Upgrade",
        b"date: now",
        b"server: ours",
        b"x-extra: 1",
    ]


def test_the_application_has_the_word_on_date_and_server_of_a_switch() -> None:
    one = ResponseWriter(defaults())
    head = one.switching([(b"Date", b"then"), (b"Server", b"theirs")])
    assert lines(head)[1:] == [b"Date: then", b"Server: theirs", b"x-extra: 1"]


@pytest.mark.parametrize(
    "field", [(b"a b", b"c"), ("x", b"y"), (b"x", "y"), (b"x", b"a\nb"), (b"x", b"\0")]
)
def test_a_switch_has_no_field_that_a_response_cannot_have(field: Any) -> None:
    one = ResponseWriter(defaults())
    with pytest.raises(ResponseError):
        one.switching([field])
    assert not one.started


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"transfer-encoding", b"chunked"),
        (b"Transfer-Encoding", b"gzip, chunked"),
        (b"connection", b"keep-alive"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-connection", b"keep-alive"),
        (b"upgrade", b"h2c"),
        (b"te", b"trailers"),
    ],
)
def test_the_connection_is_the_servers(name: bytes, value: bytes) -> None:
    """CVE-2024-24795; the ASGI specification asks servers to ignore Transfer-Encoding."""
    assert lines(respond(200, [(name, value)], b"x"))[1:] == [b"content-length: 1"]


def test_an_application_can_ask_to_close() -> None:
    one = writer()
    assert b"connection: close" in lines(respond(204, [(b"Connection", b"foo, close")], one=one))
    assert not one.keep_alive


def test_names_and_order_are_kept() -> None:
    fields = [
        (b"Set-Cookie", b"a=1"),
        (b"X-A", b""),
        (b"set-cookie", b"b=2"),
        (b"x_a", b"\xe9 \t!"),
    ]
    assert lines(respond(204, fields))[1:] == [
        b"Set-Cookie: a=1",
        b"X-A: ",
        b"set-cookie: b=2",
        b"x_a: \xe9 \t!",
    ]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK"),
        (404, b"HTTP/1.1 404 Not Found"),
        (599, b"HTTP/1.1 599 "),
        (999, b"HTTP/1.1 999 "),
    ],
)
def test_status_lines(status: int, line: bytes) -> None:
    assert lines(respond(status))[0] == line


def test_a_reason_phrase_is_kept() -> None:
    assert lines(respond(200, reason=b"Tr\xe8s bien"))[0] == b"HTTP/1.1 200 Tr\xe8s bien"


# Fields that an application may not send.

EVIL = [b"a\r\nx-evil: 1", b"a\n", b"\ra", b"a\rb", b"\n", b"a\0b", b"\0", b"\r\n\r\n<html>"]


def assert_untouched(one: ResponseWriter) -> None:
    """An error leaves room for a proper answer."""
    assert not one.started
    assert respond(500, [], b"sorry", one=one).endswith(b"\r\n\r\nsorry")


@pytest.mark.parametrize("value", EVIL)
def test_no_line_break_in_a_value(value: bytes) -> None:
    """CVE-2018-1000164, CVE-2020-7695."""
    one = writer()
    with pytest.raises(ResponseError, match="b'X-A'"):
        respond(200, [(b"X-B", b"fine"), (b"X-A", value)], one=one)
    assert_untouched(one)


@pytest.mark.parametrize(
    "name", [*EVIL, b"", b" ", b"a b", b"a:", b"a ", b"caf\xe9", b"(a)", b"\x7f"]
)
def test_a_name_is_a_token(name: bytes) -> None:
    one = writer()
    with pytest.raises(ResponseError, match="field name"):
        respond(200, [(name, b"fine")], one=one)
    assert_untouched(one)


@pytest.mark.parametrize("reason", EVIL)
def test_no_line_break_in_a_reason_phrase(reason: bytes) -> None:
    """CVE-2020-7695."""
    one = writer()
    with pytest.raises(ResponseError, match="reason phrase"):
        respond(200, reason=reason, one=one)
    assert_untouched(one)


def test_no_control_byte_in_a_value() -> None:
    """RFC 9110 section 5.5: invalid, and clients refuse the whole response for some of them."""
    for byte in (*range(1, 9), 11, 12, *range(14, 32), 127):
        with pytest.raises(ResponseError, match="b'X-A'"):
            respond(200, [(b"X-A", b"a%cb" % byte)])


@pytest.mark.parametrize("size", [1, 7, 8, 9, 16, 23])
def test_every_byte_of_a_field_is_checked(size: int) -> None:
    """At every place of names and values of several lengths, as RFC 9110 sections 5.5 and 5.6.2
    have them."""
    for at in range(size):
        for byte in range(256):
            part = b"%b%c%b" % (b"a" * at, byte, b"a" * (size - at - 1))
            for field, is_right in (
                ((part, b"1"), TOKEN.fullmatch(part) is not None),
                ((b"x", part), FIELD_VALUE.fullmatch(part) is not None),
            ):
                if is_right:
                    assert b"%b: %b" % field in lines(respond(200, [field]))
                else:
                    with pytest.raises(ResponseError, match="field"):
                        respond(200, [field])


@pytest.mark.parametrize("name", KINDS)
def test_names_that_mean_something_are_known_in_any_case(name: bytes) -> None:
    kept = KINDS[name] not in (CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE, HOP_BY_HOP)
    for spelled in (name, name.upper(), name.title()):
        one = writer()
        one.defaults.date = b"date: own\r\n"
        one.defaults.server = b"server: own\r\n"
        head = respond(200, [(spelled, b"0")], one=one)
        names = [line.partition(b":")[0] for line in lines(head)]
        assert (spelled in names) == kept or name == b"content-length"
        assert [each.lower() for each in names].count(name) <= 1


def test_fields_of_a_subclass_of_bytes() -> None:
    class Text(bytes):
        pass

    head = respond(200, [(Text(b"X-A"), Text(b"1")), (Text(b"Server"), Text(b"mine"))])
    assert lines(head)[1:3] == [b"X-A: 1", b"Server: mine"]
    with pytest.raises(ResponseError, match="line break"):
        respond(200, [(b"x", Text(b"a\nb"))])


def test_heads_of_any_size() -> None:
    for size in (0, 1, 2000, 2048, 5000, 70000):
        fields = [(b"a" * (size // 3 + 1), b"b" * size), (b"x-last", b"1")]
        head, _, body = respond(200, fields, b"hello").partition(b"\r\n\r\n")
        assert body == b"hello"
        assert head.split(b"\r\n") == [
            b"HTTP/1.1 200 OK",
            b"%b: %b" % fields[0],
            b"x-last: 1",
            b"content-length: 5",
        ]


def test_a_head_that_is_written_while_another_one_is_begun() -> None:
    """To unpack a field may run code of the application, which may send another response."""

    class Pair(tuple[bytes, bytes]):
        __slots__ = ()

        def __iter__(self) -> Any:
            inner.append(respond(404, [(b"x-inner", b"2")], b"inner"))
            return super().__iter__()

    inner: list[bytes] = []
    outer = respond(200, [(b"x-one", b"1"), Pair((b"x-outer", b"1"))], b"outer")
    assert outer.startswith(b"HTTP/1.1 200 OK\r\nx-one: 1\r\nx-outer: 1\r\n")
    assert inner == [b"HTTP/1.1 404 Not Found\r\nx-inner: 2\r\ncontent-length: 5\r\n\r\ninner"]


@pytest.mark.parametrize(
    "field", [("x", b"1"), (b"x", "1"), (b"x", 1), (None, b"1"), (b"x", None)]
)
def test_fields_are_bytes(field: tuple[bytes, bytes]) -> None:
    one = writer()
    with pytest.raises(ResponseError, match="not bytes"):
        respond(200, [field], one=one)
    assert_untouched(one)


def test_text_outside_latin_1_cannot_even_be_a_field() -> None:
    with pytest.raises(ResponseError, match="str, not bytes"):
        respond(200, [(b"x", "\u20ac")])  # type: ignore[list-item]


@pytest.mark.parametrize("status", [-1, 0, 99, 100, 101, 199, 1000, 20000])
def test_a_final_status_is_three_digits_from_200(status: int) -> None:
    one = writer()
    with pytest.raises(ResponseError, match=str(status)):
        respond(status, one=one)
    assert_untouched(one)


@pytest.mark.parametrize(
    "value", [b"", b"x", b"-1", b"+1", b"1, 1", b"1_0", b"0x1", b"9" * 30, b" "]
)
def test_a_length_is_a_number(value: bytes) -> None:
    one = writer()
    with pytest.raises(ResponseError, match="Content-Length"):
        respond(200, [(b"content-length", value)], b"x", one=one)
    assert_untouched(one)


def test_two_lengths_must_agree() -> None:
    one = writer()
    with pytest.raises(ResponseError, match="Content-Length"):
        respond(200, [(b"content-length", b"1"), (b"Content-Length", b"2")], b"x", one=one)
    assert_untouched(one)


def test_two_lengths_that_agree_are_sent_once() -> None:
    fields = [(b"content-length", b"1"), (b"Content-Length", b"1")]
    assert lines(respond(200, fields, b"x"))[1:] == [b"content-length: 1"]


@pytest.mark.parametrize("body", [b"", b"123", b"12345"])
def test_a_whole_body_is_as_long_as_declared(body: bytes) -> None:
    one = writer()
    with pytest.raises(ResponseError, match="Content-Length"):
        respond(200, [(b"content-length", b"4")], body, one=one)
    assert_untouched(one)


def test_a_first_piece_is_not_longer_than_declared() -> None:
    one = writer()
    with pytest.raises(ResponseError, match="longer"):
        respond(200, [(b"content-length", b"4")], b"12345", False, one=one)
    assert_untouched(one)


def test_a_body_is_not_longer_than_declared() -> None:
    one = writer()
    respond(200, [(b"content-length", b"4")], b"123", False, one=one)
    with pytest.raises(ResponseError, match="longer"):
        one.data(b"45", False)
    assert not one.complete
    assert one.data(b"4", True) == b"4"


def test_a_body_is_not_shorter_than_declared() -> None:
    one = writer()
    respond(200, [(b"content-length", b"4")], b"123", False, one=one)
    with pytest.raises(ResponseError, match="short"):
        one.data(b"", True)
    assert not one.complete


@pytest.mark.parametrize("end", [False, True])
def test_body_needs_a_head(end: bool) -> None:
    with pytest.raises(ResponseError, match="outside"):
        writer().data(b"x", end)


def test_nothing_follows_the_end() -> None:
    one = writer()
    respond(200, [], b"x", one=one)
    with pytest.raises(ResponseError):
        one.data(b"y", True)
    with pytest.raises(ResponseError):
        respond(200, [], b"y", one=one)
    with pytest.raises(ResponseError):
        one.informational(103, [])
    with pytest.raises(ResponseError):
        one.trailers([(b"x", b"y")])


def test_nothing_follows_the_end_of_chunks() -> None:
    one = writer()
    respond(200, [], b"x", False, one=one)
    one.data(b"", True)
    with pytest.raises(ResponseError):
        one.trailers([(b"x", b"y")])
    with pytest.raises(ResponseError):
        one.data(b"", True)


# Interim responses: RFC 9110 section 15.2.


def test_an_interim_response() -> None:
    one = writer()
    data = one.informational(103, [(b"link", b"</a.css>; rel=preload")])
    assert data == b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
    assert one.informational(102, []) == b"HTTP/1.1 102 Processing\r\n\r\n"
    assert not one.started
    assert respond(200, [], b"x", one=one).endswith(b"\r\n\r\nx")


@pytest.mark.parametrize("name", [b"content-length", b"Transfer-Encoding", b"connection", b"te"])
def test_an_interim_response_frames_nothing(name: bytes) -> None:
    data = writer().informational(103, [(name, b"5"), (b"link", b"x")])
    assert data == b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"


def test_http_1_0_knows_no_interim_response() -> None:
    assert writer(old=True).informational(103, [(b"link", b"x")]) == b""


@pytest.mark.parametrize("status", [99, 101, 200, 204, 304, 500])
def test_interim_statuses(status: int) -> None:
    with pytest.raises(ResponseError, match=str(status)):
        writer().informational(status, [])


@pytest.mark.parametrize("value", EVIL)
def test_interim_fields_are_checked(value: bytes) -> None:
    with pytest.raises(ResponseError):
        writer().informational(103, [(b"link", value)])
    with pytest.raises(ResponseError):
        writer().informational(103, [(value, b"x")])


def test_interim_fields_are_checked_for_http_1_0_as_well() -> None:
    """A mistake shows with every client, not only with new ones."""
    with pytest.raises(ResponseError):
        writer(old=True).informational(103, [(b"link", b"a\r\nb")])


def test_no_interim_response_after_the_head() -> None:
    one = writer()
    respond(200, [], b"x", False, one=one)
    with pytest.raises(ResponseError, match="interim"):
        one.informational(103, [])


# Trailers: RFC 9112 section 7.1.2.


def chunked() -> ResponseWriter:
    one = writer()
    respond(200, [], b"x", False, one=one)
    return one


def test_trailers_end_chunks() -> None:
    one = chunked()
    assert one.trailers([(b"x-sum", b"1"), (b"X-B", b"2")]) == b"0\r\nx-sum: 1\r\nX-B: 2\r\n\r\n"
    assert one.complete


def test_no_trailers_end_chunks_too() -> None:
    assert chunked().trailers([]) == b"0\r\n\r\n"


def test_trailers_are_dropped_where_there_is_no_place_for_them() -> None:
    one = writer()
    respond(200, [(b"content-length", b"1")], b"x", False, one=one)
    assert one.trailers([(b"x-sum", b"1")]) == b""
    assert one.complete
    one = writer(old=True)
    respond(200, [], b"x", False, one=one)
    assert one.trailers([(b"x-sum", b"1")]) == b""
    one = writer(head=True)
    respond(200, [], b"", False, one=one)
    assert one.trailers([(b"x-sum", b"1")]) == b""
    assert one.complete


def test_trailers_do_not_excuse_a_short_body() -> None:
    one = writer()
    respond(200, [(b"content-length", b"2")], b"x", False, one=one)
    with pytest.raises(ResponseError, match="short"):
        one.trailers([(b"x-sum", b"1")])


@pytest.mark.parametrize(
    "name", [b"content-length", b"Transfer-Encoding", b"connection", b"host", b"trailer", b"te"]
)
def test_trailers_do_not_frame(name: bytes) -> None:
    """RFC 9110 section 6.5.1."""
    one = chunked()
    with pytest.raises(ResponseError, match="trailer"):
        one.trailers([(name, b"5")])
    assert not one.complete


@pytest.mark.parametrize("evil", EVIL)
def test_trailers_are_checked(evil: bytes) -> None:
    one = chunked()
    with pytest.raises(ResponseError):
        one.trailers([(b"x-sum", evil)])
    with pytest.raises(ResponseError):
        one.trailers([(evil, b"1")])
    assert one.trailers([]) == b"0\r\n\r\n"


def test_trailers_need_a_head() -> None:
    with pytest.raises(ResponseError):
        writer().trailers([(b"x", b"y")])


# Files, sent by the kernel between what these return.


def test_a_file_of_the_declared_length() -> None:
    one = writer()
    respond(200, [(b"content-length", b"9")], b"", False, one=one)
    assert (one.file_prefix(4, False), one.file_suffix(4, False)) == (b"", b"")
    assert not one.complete
    assert (one.file_prefix(5, True), one.file_suffix(5, True)) == (b"", b"")
    assert one.complete


def test_a_file_in_a_chunk() -> None:
    one = chunked()
    assert (one.file_prefix(255, False), one.file_suffix(255, False)) == (b"ff\r\n", b"\r\n")
    assert (one.file_prefix(16, True), one.file_suffix(16, True)) == (b"10\r\n", b"\r\n0\r\n\r\n")
    assert one.complete


def test_an_empty_file_is_no_chunk() -> None:
    one = chunked()
    assert (one.file_prefix(0, False), one.file_suffix(0, False)) == (b"", b"")
    assert (one.file_prefix(0, True), one.file_suffix(0, True)) == (b"", b"0\r\n\r\n")


def test_a_file_up_to_the_end_of_the_connection() -> None:
    one = writer(old=True)
    respond(200, [], b"", False, one=one)
    assert (one.file_prefix(9, True), one.file_suffix(9, True)) == (b"", b"")


@pytest.mark.parametrize("status", [204, 304])
def test_no_file_where_there_is_no_body(status: int) -> None:
    one = writer()
    respond(status, [], b"", False, one=one)
    assert one.file_prefix(9, True) is None


def test_no_file_for_head() -> None:
    one = writer(head=True)
    respond(200, [(b"content-length", b"9")], b"", False, one=one)
    assert one.file_prefix(9, True) is None


@pytest.mark.parametrize(("size", "end"), [(5, False), (5, True), (3, True)])
def test_a_file_is_as_long_as_declared(size: int, end: bool) -> None:
    one = writer()
    respond(200, [(b"content-length", b"4")], b"", False, one=one)
    with pytest.raises(ResponseError, match="Content-Length"):
        one.file_prefix(size, end)


def test_a_file_needs_a_head() -> None:
    with pytest.raises(ResponseError, match="outside"):
        writer().file_prefix(1, True)
