"""The access log: its lines, its batches, and a reader that does not read."""

import fcntl
import io
import json
import logging
import os
import sys
import time

import pytest

from bascule.observability.access import BATCH, AccessLog

MOMENT = 1785580200  # 2026-08-01T10:30:00 UTC
HELLO = ("127.0.0.1:54321", "GET", b"/hello?x=1", "1.1", 200, 1234, 0.00081)


@pytest.fixture(autouse=True)
def zone(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def stream():
    return Counting()


class Counting(io.StringIO):
    """A stream that counts how often it is written to."""

    writes = 0

    def write(self, text):
        self.writes += 1
        return super().write(text)


def open_log(stream, **options):
    return AccessLog(stream=stream, clock=lambda: MOMENT, **options)


def lines_of(stream, *entries, **options):
    log = open_log(stream, **options)
    for entry in entries:
        log.record(*entry)
    log.flush()
    return stream.getvalue().splitlines()


def with_target(target):
    return (*HELLO[:2], target, *HELLO[3:])


def test_the_text_line(stream):
    assert lines_of(stream, HELLO) == [
        '2026-08-01T12:30:00+02:00 127.0.0.1:54321 - "GET /hello?x=1 HTTP/1.1" 200 1234 0.8ms'
    ]


def test_the_short_text_line(stream):
    assert lines_of(stream, HELLO, short=True) == [
        '12:30:00 127.0.0.1:54321 - "GET /hello?x=1 HTTP/1.1" 200 1234 0.8ms'
    ]


def test_the_json_line(stream):
    (line,) = lines_of(stream, HELLO, format="json", short=True)
    assert json.loads(line) == {
        "time": "2026-08-01T12:30:00+02:00",
        "client": "127.0.0.1:54321",
        "method": "GET",
        "target": "/hello?x=1",
        "http_version": "1.1",
        "status": 200,
        "bytes": 1234,
        "duration_ms": 0.81,
        "queue_ms": 0.0,
    }


def test_a_client_without_an_address(stream):
    entry = ("", *HELLO[1:])
    assert ' - - "GET' in lines_of(stream, entry)[0]
    assert json.loads(lines_of(Counting(), entry, format="json")[0])["client"] is None


@pytest.mark.parametrize(
    ("target", "escaped"),
    [
        (b"/\x1b[31mred", r"/\x1b[31mred"),
        (b"/a\nb\r\x00\x7f", r"/a\x0ab\x0d\x00\x7f"),
        (b"/\x85\x9b\xff\xe9", r"/\x85\x9b\xff\xe9"),
        (b'/" 200 0 0.1ms', r"/\" 200 0 0.1ms"),
        (b"/\\x41", r"/\\x41"),
        (b"/~!#[]{}", "/~!#[]{}"),
    ],
)
def test_what_a_client_sent_is_escaped_in_text(stream, target, escaped):
    (line,) = lines_of(stream, with_target(target))
    assert f'"GET {escaped} HTTP/1.1"' in line
    assert line.isascii()
    assert line.isprintable()


def test_every_field_from_the_client_is_escaped(stream):
    entry = ("1.2.3.4\x1b:\u2028", "G\x1bT", b"/", "1\n1", 400, 0, 0.0)
    (line,) = lines_of(stream, entry)
    assert r'1.2.3.4\x1b:\u2028 - "G\x1bT / HTTP/1\x0a1" 400 0 0.0ms' in line


@pytest.mark.parametrize("target", [bytes(range(256)), b'"\\\x1b\x7f\x9b'])
def test_json_shows_every_byte_in_ascii(stream, target):
    (line,) = lines_of(stream, with_target(target), format="json")
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["target"].encode("latin-1") == target


def test_a_batch_is_one_write(stream):
    lines = lines_of(stream, *[HELLO] * 10)
    assert len(lines) == 10
    assert stream.writes == 1


def test_nothing_recorded_is_nothing_written(stream):
    log = open_log(stream)
    log.flush()
    assert stream.writes == 0


def test_a_full_batch_is_written_at_once(stream):
    log = open_log(stream)
    for _ in range(BATCH - 1):
        log.record(*HELLO)
    assert stream.writes == 0
    log.record(*HELLO)
    assert stream.writes == 1
    assert stream.getvalue().count("\n") == BATCH
    log.flush()
    assert stream.writes == 1


def test_closing_writes_the_rest(stream):
    log = open_log(stream)
    log.record(*HELLO)
    log.close()
    assert stream.getvalue().count("\n") == 1


def test_lines_go_to_standard_output_by_default(capfd):
    log = AccessLog()
    log.record(*HELLO)
    log.close()
    out, err = capfd.readouterr()
    assert "/hello?x=1" in out
    assert err == ""


def test_a_batch_carries_the_second_it_was_written_in(stream):
    moments = iter([MOMENT, MOMENT + 61])
    log = AccessLog(stream=stream, clock=lambda: next(moments))
    for _ in range(2):
        log.record(*HELLO)
        log.flush()
    first, second = stream.getvalue().splitlines()
    assert first.startswith("2026-08-01T12:30:00+02:00")
    assert second.startswith("2026-08-01T12:31:01+02:00")


# A reader that does not read


class Pipe:
    """A pipe that holds 4096 bytes, with a stream on its writing end."""

    def __init__(self):
        self.reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(self.reading, False)
        self.stream = os.fdopen(writing, "w")

    def read(self):
        received = b""
        while True:
            try:
                received += os.read(self.reading, 65536)
            except BlockingIOError:
                return received

    def close_reading(self):
        if self.reading is not None:
            os.close(self.reading)
            self.reading = None


@pytest.fixture
def pipe():
    made = Pipe()
    yield made
    made.close_reading()
    made.stream.close()


def fill(log, count):
    for _ in range(count):
        log.record(*HELLO)
    log.flush()


def test_a_full_pipe_drops_and_counts_and_warns_once(pipe, caplog):
    log = open_log(pipe.stream)
    fill(log, 60)  # more than the pipe holds: taken, the rest of it is kept
    fill(log, 20)
    fill(log, 3)
    assert [record.message for record in caplog.records] == [
        "access log cannot be written (its reader is too slow): its lines are dropped"
    ]
    received = pipe.read()
    fill(log, 1)
    received += pipe.read()
    fill(log, 1)
    received += pipe.read()
    assert [record.message for record in caplog.records[1:]] == [
        "access log written again; 23 lines were lost"
    ]
    lines = received.decode().splitlines()
    assert len(lines) == 62
    assert len(set(lines)) == 1  # none of them torn
    log.close()


def test_a_second_outage_is_warned_about_again(caplog):
    stream = Failing()
    log = open_log(stream)
    for stream.error in (OSError(28, "No space left"), None, OSError(28, "No space left")):
        fill(log, 2)
    assert [record.message for record in caplog.records] == [
        "access log cannot be written (No space left): its lines are dropped",
        "access log written again; 2 lines were lost",
        "access log cannot be written (No space left): its lines are dropped",
    ]


class Failing(io.StringIO):
    error = None

    def write(self, text):
        if self.error is not None:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError("odd"), "odd"), (ValueError("closed file"), r"ValueError('closed file')")],
)
def test_no_error_reaches_the_server(caplog, error, words):
    stream = Failing()
    stream.error = error
    log = open_log(stream)
    fill(log, 5)
    assert f"cannot be written ({words})" in caplog.text
    stream.error = None
    log.close()
    assert "5 lines were lost" not in caplog.text
    fill(log, 1)
    assert "5 lines were lost" in caplog.text


def test_a_closed_pipe_drops(pipe, caplog):
    log = open_log(pipe.stream)
    pipe.close_reading()
    fill(log, 4)
    fill(log, 4)
    assert [record.message for record in caplog.records] == [
        "access log cannot be written (Broken pipe): its lines are dropped"
    ]
    log.close()


# Through logging


@pytest.fixture
def records():
    """Configure `bascule.access`, and collect what is logged there."""
    target, collected = logging.getLogger("bascule.access"), []

    class Collecting(logging.Handler):
        def emit(self, record):
            collected.append(record)

    handler = Collecting()
    target.addHandler(handler)
    target.setLevel(logging.INFO)
    yield collected
    target.removeHandler(handler)
    target.setLevel(logging.NOTSET)


def test_a_configured_logger_gets_records_instead_of_lines(records, stream):
    assert lines_of(stream, HELLO, with_target(b"/\x1b")) == []
    first, second = records
    assert first.levelno == logging.INFO
    assert first.getMessage() == '127.0.0.1:54321 - "GET /hello?x=1 HTTP/1.1" 200 1234 0.8ms'
    assert first.client == "127.0.0.1:54321"
    assert first.method == "GET"
    assert first.target == "/hello?x=1"
    assert first.http_version == "1.1"
    assert first.status == 200
    assert first.bytes == 1234
    assert first.duration_ms == 0.81
    assert second.target == r"/\x1b"


def test_a_logger_above_info_gets_nothing(records, stream):
    logging.getLogger("bascule.access").setLevel(logging.WARNING)
    lines_of(stream, HELLO)
    assert records == []


def test_closing_a_log_of_records(records):
    log = AccessLog()
    log.record(*HELLO)
    log.close()
    assert len(records) == 1


def test_a_failing_handler_does_not_reach_the_server(records, caplog):
    class Failing(logging.Handler):
        def emit(self, record):
            raise RuntimeError("handler")

    handler = Failing()
    logging.getLogger("bascule.access").addHandler(handler)
    try:
        log = AccessLog()
        fill(log, 2)
    finally:
        logging.getLogger("bascule.access").removeHandler(handler)
    assert "RuntimeError('handler')" in caplog.text
    fill(log, 1)
    assert "2 lines were lost" in caplog.text


def test_the_standard_stream_is_looked_up_when_the_log_opens(monkeypatch):
    replaced = io.StringIO()
    monkeypatch.setattr(sys, "stdout", replaced)
    log = AccessLog()
    fill(log, 1)
    assert "/hello" in replaced.getvalue()
