"""Pipelining: strict order, no request read ahead of its turn, bounded read-ahead."""

import pytest
from connection_rig import BUSY, LINGERING, bodies, request, statuses

from bascule.connections.transport import READ_AHEAD
from support.transport import END


def test_a_slow_first_answer_keeps_its_place(rig):
    client = rig.connect()
    client.send(b"".join(request(f"/{number}") for number in range(5)))
    assert [call.path for call in rig.calls] == ["/0"]
    rig.pass_time(10)
    assert len(rig.calls) == 1
    for number in range(5):
        assert len(rig.calls) == number + 1
        rig.calls[number].respond(b"answer %d" % number)
    words = [b"answer %d" % number for number in range(5)]
    assert bodies(client, words) == words
    assert statuses(client) == [200] * 5


def test_the_next_request_does_not_begin_before_the_last_body_byte(rig):
    client = rig.connect()
    client.send(request("/0") + request("/1"))
    rig.calls[0].start()
    rig.calls[0].body(b"begin")
    rig.pass_time(1)
    assert len(rig.calls) == 1
    rig.calls[0].body(b"end", more=False)
    assert [call.path for call in rig.calls] == ["/0", "/1"]
    rig.calls[1].respond(b"next")
    assert bodies(client, [b"next", b"end", b"begin"]) == [b"begin", b"end", b"next"]


def test_a_request_may_begin_while_the_application_still_works_on_the_last(rig):
    client = rig.connect()
    client.send(request("/0") + request("/1"))
    rig.calls[0].start()
    rig.calls[0].body(b"", more=False).result()
    rig.calls[1].respond()
    assert statuses(client) == [200, 200]
    assert rig.interface.running == 1
    rig.calls[0].end()
    assert rig.interface.running == 0


def test_what_waits_is_not_parsed(rig):
    """A malformed request behind a good one is found out when its turn comes, not before."""
    client = rig.connect()
    client.send(request("/0") + b"nonsense\r\n\r\n" + request("/2"))
    rig.pass_time(1)
    assert rig.warnings == []
    assert statuses(client) == []
    rig.calls[0].respond(b"first")
    assert statuses(client) == [200, 400]
    assert client.received.index(b"first") < client.received.index(b"400")
    assert client.finished


def test_nothing_behind_a_refusal_is_served(rig):
    client = rig.connect()
    client.send(request("/0") + request("/1") + b"nonsense\r\n\r\n" + request("/3") * 5)
    rig.calls[0].respond()
    rig.calls[1].respond()
    client.send(request("/4"))
    assert client.protocol.transport.phase == LINGERING
    assert [call.path for call in rig.calls] == ["/0", "/1"]
    assert statuses(client) == [200, 200, 400]
    client.send_eof()
    rig.assert_nothing_left()


def test_nothing_behind_connection_close_is_served(rig):
    client = rig.connect()
    client.send(request("/0", "Connection: close") + request("/1"))
    rig.calls[0].respond()
    client.send(request("/2"))
    assert [call.path for call in rig.calls] == ["/0"]
    assert statuses(client) == [200]
    assert client.finished


def test_the_read_ahead_is_bounded(rig):
    client = rig.connect()
    client.send(request("/0"))
    series = request("/1") * 100
    for _ in range(2000):
        client.send(series)
    assert not client.reading
    assert client.protocol.engine.buffered() <= READ_AHEAD + len(series)
    assert client.undelivered > 1000 * len(series)
    assert len(rig.calls) == 1


def test_reading_goes_on_when_the_answer_is_there_and_nothing_is_lost(rig):
    client = rig.connect()
    count = 2 * READ_AHEAD // len(request("/0000")) + 10
    for number in range(count):
        client.send(request(f"/{number:04}"))
    assert not client.reading
    served = 0
    while served < len(rig.calls):
        rig.calls[served].respond()
        served += 1
    assert [call.path for call in rig.calls] == [f"/{number:04}" for number in range(count)]
    assert statuses(client) == [200] * count
    assert client.reading


def test_the_body_of_a_request_in_turn_does_not_count_as_read_ahead(rig):
    client = rig.connect()
    client.send(request("/0", f"Content-Length: {READ_AHEAD * 4}", method="POST"))
    read = 0
    for _ in range(8):
        client.send(b"x" * (READ_AHEAD // 2))
        read += len(rig.calls[0].receive().result()["body"])
    assert read == READ_AHEAD * 4
    rig.calls[0].respond()
    assert statuses(client) == [200]


@pytest.mark.parametrize("size", [1, 7, 100, 4096])
def test_the_cut_of_the_bytes_does_not_matter(rig, size):
    data = b"".join(
        request(f"/{number}", method="POST", body=b"body %d" % number) for number in range(20)
    )
    client = rig.connect()
    for at in range(0, len(data), size):
        client.send(data[at : at + size])
    number = 0
    while number < len(rig.calls):
        message = rig.calls[number].receive().result()
        while message["more_body"]:
            message["body"] += (rest := rig.calls[number].receive().result())["body"]
            message["more_body"] = rest["more_body"]
        assert message["body"] == b"body %d" % number
        rig.calls[number].respond(b"answer %d." % number)
        number += 1
    words = [b"answer %d." % number for number in range(20)]
    assert bodies(client, words) == words


def test_an_unread_body_is_passed_over(rig):
    client = rig.connect()
    client.send(request("/0", "Content-Length: 10000", method="POST"))
    rig.calls[0].respond()
    client.send(b"x" * 5000)
    assert len(rig.calls) == 1
    client.send(b"x" * 5000 + request("/1"))
    assert [call.path for call in rig.calls] == ["/0", "/1"]
    rig.calls[1].respond()
    assert statuses(client) == [200, 200]


def test_an_unread_body_in_chunks_ends_the_connection(rig):
    """Its length is unknown."""
    client = rig.connect()
    client.send(request("/0", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n")
    rig.calls[0].respond()
    assert b"connection: close" in client.received
    client.send(b"5\r\nworld\r\n0\r\n\r\n" + request("/1"))
    assert [call.path for call in rig.calls] == ["/0"]
    assert client.finished


def test_a_malformed_rest_of_an_unread_body_is_refused_behind_its_answer(rig):
    client = rig.connect()
    client.send(request("/0", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n")
    rig.calls[0].respond(b"answer")
    client.send(b"Z\r\n" + request("/1"))
    assert len(rig.calls) == 1
    assert client.received.count(b"answer") == 1
    assert client.finished


def test_an_endless_unread_body_ends_the_connection_gently(rig):
    """RFC 9112 section 9.6: closing on unread bytes resets, and may take the response along."""
    client = rig.connect()
    client.send(request("/0", "Content-Length: 10000000", method="POST"))
    rig.calls[0].respond()
    for _ in range(20):
        client.send(b"x" * 65536)
    assert client.protocol.transport.phase == LINGERING
    assert not client.aborted
    assert statuses(client) == [200]
    rig.pass_time(3)
    assert client.lost


def test_bytes_that_come_between_two_exchanges_find_the_right_one(rig):
    client = rig.connect()
    client.send(request("/0") + request("/1"))
    rig.calls[0].respond()
    assert client.protocol.transport.phase == BUSY
    client.send(request("/2"))
    rig.calls[1].respond()
    rig.calls[2].respond()
    assert statuses(client) == [200, 200, 200]


def test_an_end_that_arrives_between_two_exchanges_loses_no_request(rig):
    """The client closes its side in the very turn of the loop in which its first answer ends."""
    client = rig.connect()
    client.send(request("/0") + request("/1"))
    rig.calls[0].start()
    rig.calls[0].send_soon({"type": "http.response.body", "body": b"first"})
    client.send_soon(END)
    rig.loop.settle()
    rig.calls[0].end()
    assert [call.path for call in rig.calls] == ["/0", "/1"]
    rig.calls[1].respond(b"second")
    assert bodies(client, [b"first", b"second"]) == [b"first", b"second"]
    rig.assert_nothing_left()
