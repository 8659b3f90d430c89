"""Sinks on real pipes, sockets, terminals and files: never waiting, never tearing a line."""

import errno
import fcntl
import io
import os
import pty
import socket

import pytest

from bascule.observability import sink as module
from bascule.observability.sink import open_sink

CAPACITY = 65536


class Stream:
    """The part of a standard stream that a sink uses."""

    def __init__(self, fd):
        self._fd = fd

    def fileno(self):
        return self._fd


@pytest.fixture
def pipe():
    """The two ends of a pipe that holds 64 KiB."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, CAPACITY)
    ends = {"reading": reading, "writing": writing}
    yield ends
    for fd in ends.values():
        if fd is not None:
            os.close(fd)


def close_end(pipe, end):
    os.close(pipe[end])
    pipe[end] = None


@pytest.fixture(params=["reopened", "polled"])
def sink(request, pipe, monkeypatch):
    """A sink on the pipe, by its own descriptor or, where /proc does not help, by asking first."""
    if request.param == "polled":

        def refuse(*_):
            raise PermissionError(errno.EACCES, "no")

        monkeypatch.setattr(module.os, "open", refuse)
    made = open_sink(Stream(pipe["writing"]))
    monkeypatch.undo()
    yield made
    made.close()


def test_what_is_written_arrives(pipe, sink):
    assert sink.write(b"one\n")
    assert sink.write(b"two\n")
    assert os.read(pipe["reading"], 100) == b"one\ntwo\n"


def test_the_stream_of_others_stays_blocking(pipe, sink):
    sink.write(b"line\n")
    assert os.get_blocking(pipe["writing"])


def test_a_full_pipe_refuses_without_waiting_and_tears_nothing(pipe, sink):
    first, second, third = b"a" * (CAPACITY + 1000), b"b" * 5000, b"c" * 10
    assert sink.write(first)  # taken, though a part of it is still to be sent
    assert not sink.write(second)
    assert os.read(pipe["reading"], 2 * CAPACITY) == first[:CAPACITY]
    assert sink.write(third)
    rest = os.read(pipe["reading"], 2 * CAPACITY)
    assert rest == first[CAPACITY:] + third


def test_a_reader_who_left_is_an_error_each_time(pipe, sink):
    close_end(pipe, "reading")
    for _ in range(2):
        with pytest.raises(BrokenPipeError):
            sink.write(b"line\n")


def test_closing_after_the_reader_left_is_no_error(pipe, sink):
    assert sink.write(b"a" * (CAPACITY + 1000))
    close_end(pipe, "reading")
    sink.close()


def test_closing_sends_what_is_left(pipe, monkeypatch):
    sink = open_sink(Stream(pipe["writing"]))
    assert sink.write(b"a" * (CAPACITY + 1000))
    read = []
    real = module._is_writable

    def read_then_ask(fd, seconds):
        read.append(os.read(pipe["reading"], CAPACITY))
        return real(fd, seconds)

    monkeypatch.setattr(module, "_is_writable", read_then_ask)
    sink.close()
    assert read == [b"a" * CAPACITY]
    assert os.read(pipe["reading"], 2 * CAPACITY) == b"a" * 1000


def test_closing_waits_for_a_reader_not_for_ever(pipe, monkeypatch):
    monkeypatch.setattr(module, "CLOSING_PATIENCE", 0.01)
    sink = open_sink(Stream(pipe["writing"]))
    assert sink.write(b"a" * (CAPACITY + 1000))
    sink.close()
    assert os.read(pipe["reading"], 2 * CAPACITY) == b"a" * CAPACITY


def test_patience_waits_for_a_slow_reader(pipe, monkeypatch):
    sink = open_sink(Stream(pipe["writing"]), patience=10.0)
    assert sink.write(b"a" * CAPACITY)
    asked = []
    real = module._is_writable

    def read_then_ask(fd, seconds):
        asked.append(seconds)
        os.read(pipe["reading"], CAPACITY)
        return real(fd, seconds)

    monkeypatch.setattr(module, "_is_writable", read_then_ask)
    assert sink.write(b"b" * 10)
    assert len(asked) == 1
    assert 0 < asked[0] <= 10.0
    assert os.read(pipe["reading"], 100) == b"b" * 10
    sink.close()


def test_a_descriptor_of_our_own_is_closed(pipe):
    before = len(os.listdir("/proc/self/fd"))
    sink = open_sink(Stream(pipe["writing"]))
    assert len(os.listdir("/proc/self/fd")) == before + 1
    sink.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_closed_sink_takes_nothing(pipe):
    sink = open_sink(Stream(pipe["writing"]))
    sink.close()
    reused = os.open(os.devnull, os.O_WRONLY)  # gets the number that the sink's descriptor had
    assert not sink.write(b"line\n")
    sink.close()
    os.close(reused)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_several_workers_do_not_tear_each_other_s_lines(kind):
    if kind == "pipe":
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
    else:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        reading, writing = ours.detach(), theirs.detach()
    sinks = [open_sink(Stream(writing)) for _ in range(3)]
    sent = dict.fromkeys(b"abc", 0)
    received = b""
    for _ in range(100):
        for letter, sink in zip(b"abc", sinks, strict=True):
            lines = 300
            if sink.write((bytes([letter]) * 99 + b"\n") * lines):
                sent[letter] += lines
        received += read_some(reading, 30_000)
    while more := read_some(reading, 65_536):
        received += more
        for sink in sinks:
            sink.write(b"")
    for sink in sinks:
        sink.close()
    for fd in (reading, writing):
        os.close(fd)
    lines = received.splitlines()
    assert {bytes([letter]) * 99 for letter in b"abc"} == set(lines)
    assert all(lines.count(bytes([letter]) * 99) == count for letter, count in sent.items())


def read_some(fd, size):
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return b""


def test_a_line_longer_than_a_pipe_takes_at_once_arrives(pipe, sink):
    line = b"x" * 20_000 + b"\n"
    assert sink.write(b"short\n" + line)
    assert os.read(pipe["reading"], CAPACITY) == b"short\n" + line


def test_a_file_is_appended_to_where_it_stands(tmp_path):
    with open(tmp_path / "log", "w+b") as file:
        file.write(b"before\n")
        file.flush()
        sink = open_sink(Stream(file.fileno()))
        assert sink.write(b"after\n")
        sink.close()
        file.seek(0)
        assert file.read() == b"before\nafter\n"


def test_a_full_disk_is_an_error():
    with open("/dev/full", "wb", buffering=0) as full:
        sink = open_sink(Stream(full.fileno()))
        with pytest.raises(OSError, match="No space left"):
            sink.write(b"line\n")
        sink.close()


def test_a_terminal_is_opened_again_so_that_it_cannot_block():
    ours, theirs = pty.openpty()
    try:
        sink = open_sink(Stream(theirs))
        assert sink.write(b"line\n")
        assert os.read(ours, 100) == b"line\r\n"
        written = 0
        while sink.write(b"x" * 1000) and written < 1_000_000:
            written += 1000
        assert written < 1_000_000  # refused at last, instead of waiting
        assert os.get_blocking(theirs)
    finally:
        os.close(ours)
        sink.close()
        os.close(theirs)


def test_a_socket_is_sent_to_without_waiting():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sink = open_sink(Stream(theirs.fileno()))
        assert sink.write(b"line\n")
        assert ours.recv(100) == b"line\n"
        written = 0
        while sink.write(b"x" * 10000) and written < 10_000_000:
            written += 10000
        assert written < 10_000_000
        assert theirs.getblocking()
        ours.close()
        sink.close()


@pytest.mark.parametrize("kind", ["no fileno", "unsupported", "closed descriptor"])
def test_a_stream_without_a_descriptor_is_written_as_text(kind):
    stream = io.StringIO()
    if kind == "no fileno":
        stream = type("Notebook", (), {"write": stream.write, "flush": stream.flush})()
        text = stream.write.__self__
    elif kind == "closed descriptor":
        text = stream
        stream = type(
            "Odd", (), {"write": text.write, "flush": text.flush, "fileno": lambda self: 987654}
        )()
    else:
        text = stream
    sink = open_sink(stream)
    assert sink.write("größe\n".encode())
    sink.close()
    assert text.getvalue() == "größe\n"


def test_a_stream_that_was_closed_at_the_start_takes_everything():
    made = open_sink(None)
    assert made.write(b"line\n")
    made.close()
