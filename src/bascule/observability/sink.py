"""Output that never makes the server wait for its reader.

A pipe whose reader has stopped, or a terminal on which Ctrl-S was pressed, blocks every write to
it: with a plain print, one stuck log collector stops all requests. A sink takes a piece of
output whole or not at all, and keeps at most one piece that was sent in part.

Standard output is not ours alone. Making its descriptor non-blocking would make the application's
own print() fail: so pipes and terminals are opened a second time (through /proc), which gives
flags of our own, and on sockets each send has the flag not to wait. Other workers write to it too:
so pipes and sockets get whole lines, few enough at a time that the kernel takes
all of them or none, and no line is torn by another.
"""

import os
import select
import socket
import stat
import time
from typing import Protocol, TextIO

# Seconds that closing may wait for a slow reader: the last lines before an exit matter.
CLOSING_PATIENCE = 1.0


class Sink(Protocol):
    """Where log lines go."""

    def write(self, data: bytes) -> bool:
        """Take `data` whole; False, with nothing taken, when the reader is too slow.

        Raises OSError when it cannot be written at all: the reader has gone, the disk is full.
        """

    def close(self) -> None:
        """Try once more to send what is left, and close the descriptors opened for this sink."""


def open_sink(stream: TextIO | None, patience: float = 0.0) -> Sink:
    """Return a sink on a standard stream, or on the object in its place; None is a stream that was
    closed when the process began.

    patience: seconds that one write may wait for a slow reader.
    """
    if stream is None:
        return NoSink()
    try:
        fd = stream.fileno()
        kind = os.fstat(fd).st_mode
    except (AttributeError, OSError, ValueError):
        return StreamSink(stream)
    if stat.S_ISSOCK(kind):
        return DescriptorSink(SocketOutput(fd), patience)
    if stat.S_ISFIFO(kind):
        return DescriptorSink(_reopen(fd, PipeOutput), patience)
    if os.isatty(fd):
        return DescriptorSink(_reopen(fd, Output), patience)
    return DescriptorSink(Output(fd), patience)


def _reopen(fd: int, kind: "type[Output]") -> "Output":
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return kind(os.open(f"/proc/self/fd/{fd}", flags), owned=True)
    except OSError:
        # No /proc; or the pipe belongs to the user that this process was before it dropped root.
        return PolledOutput(fd)


def _whole_lines(data: memoryview) -> memoryview:
    """As many lines as a pipe takes all of or none (PIPE_BUF bytes, pipe(7)), at least one."""
    if len(data) <= select.PIPE_BUF:
        return data
    end = bytes(data[: select.PIPE_BUF]).rfind(b"\n") + 1
    return data[: end or select.PIPE_BUF]


class Output:
    """A descriptor that can be written to at once: a file, or one whose own flag says so."""

    def __init__(self, fd: int, owned: bool = False) -> None:
        self.fd = fd
        self._owned = owned

    def send(self, data: memoryview) -> int:
        """Write as much as fits now, and return how many bytes those were. Raises BlockingIOError
        if nothing fits."""
        return os.write(self.fd, data)

    def close(self) -> None:
        if self._owned:
            os.close(self.fd)


class PipeOutput(Output):
    """A pipe opened without waiting."""

    def send(self, data: memoryview) -> int:
        return os.write(self.fd, _whole_lines(data))


class SocketOutput(Output):
    """A socket, as systemd's journal gives; each send has the flag not to wait."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._socket = socket.socket(fileno=os.dup(fd))

    def send(self, data: memoryview) -> int:
        return self._socket.send(_whole_lines(data), socket.MSG_DONTWAIT)

    def close(self) -> None:
        self._socket.close()


class PolledOutput(Output):
    """A blocking pipe or terminal that could not be opened again: polled before each small write.

    A pipe that poll(2) calls writable takes PIPE_BUF bytes (pipe(7)), unless another process
    fills it in between; then this write waits, which is why this is the last choice.
    """

    def send(self, data: memoryview) -> int:
        if not _is_writable(self.fd, 0.0):
            raise BlockingIOError
        return os.write(self.fd, _whole_lines(data))


def _is_writable(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


class DescriptorSink:
    """A `Sink` on a file descriptor. Once closed it takes nothing."""

    def __init__(self, output: Output, patience: float) -> None:
        self._output: Output | None = output
        self._patience = patience
        self._unsent = memoryview(b"")

    def write(self, data: bytes) -> bool:
        output = self._output
        if output is None or (self._unsent and not self._push(output, self._patience)):
            return False
        self._unsent = memoryview(data)
        self._push(output, self._patience)
        return True

    def _push(self, output: Output, patience: float) -> bool:
        """Send on what is left; whether nothing is left now."""
        deadline = 0.0
        while self._unsent:
            try:
                self._unsent = self._unsent[output.send(self._unsent) :]
            except BlockingIOError:
                now = time.monotonic()
                deadline = deadline or now + patience
                if now >= deadline or not _is_writable(output.fd, deadline - now):
                    return False
            except OSError:
                self._unsent = memoryview(b"")
                raise
        return True

    def close(self) -> None:
        output, self._output = self._output, None
        if output is None:
            return
        try:
            self._push(output, CLOSING_PATIENCE)
        except OSError:
            pass  # the reader has gone, and the log with it
        finally:
            output.close()


class NoSink:
    """A `Sink` for a process without standard streams."""

    def write(self, data: bytes) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""


class StreamSink:
    """A `Sink` on a text stream without a descriptor: a notebook, a test, a GUI."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> bool:
        self._stream.write(data.decode(errors="backslashreplace"))
        self._stream.flush()
        return True

    def close(self) -> None:
        """The stream is its owner's."""
