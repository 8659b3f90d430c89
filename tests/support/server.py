"""A real Bascule process for tests.

    with running("app:app", "--threads", "2", cwd=folder) as server:
        exchange(server.port, "GET", "/")
        assert server.stop() == 0
        assert "started" in server.output()

The test opens the listening socket and hands it over, so there is no race for a port, and the
kernel queues connections until the server accepts them: nothing polls for readiness and nothing
sleeps. A server that is still there at the end is stopped; one that does not stop in time is
killed, and the test fails with its output.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

STOP_DEADLINE = 20.0
OUTPUT_DEADLINE = 20.0


class Server:
    """A server process. `port` and `base_url` are where it listens, `process` is the Popen."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, scheme: str) -> None:
        self.process = process
        self.port = port
        self.base_url = f"{scheme}://127.0.0.1:{port}"
        self._output = _Output(process)

    def output(self) -> str:
        """The output of the process on stdout and stderr; complete once it has ended."""
        return self._output.text()

    def wait_for_output(self, text: str, deadline: float = OUTPUT_DEADLINE, times: int = 1) -> str:
        """Wait until the process has written `text`, so many times, and return all of its output.

        Raises AssertionError where it ends, or where `deadline` seconds pass, without it.
        """
        return self._output.wait_for(text, deadline, times)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, deadline: float = STOP_DEADLINE) -> int:
        """Wait for the process to end; returns its exit code, -N where signal N killed it."""
        try:
            code = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"the server did not end within {deadline} s; its output:\n{self.output()}"
            ) from None
        self._output.finish()
        return code

    def stop(self, deadline: float = STOP_DEADLINE) -> int:
        """SIGTERM, then `wait`. Where the process has ended already, just its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(deadline)

    def kill(self) -> None:
        """End the process and all it started, at once.

        SIGABRT first: of a process that hangs, faulthandler then writes the stacks to the output.
        """
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGABRT)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._output.finish()


class _Output:
    """Reads the pipe of a process in a thread, so that the process never blocks on writing."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._pipe = process.stdout
        self._data = bytearray()
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="server output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while data := os.read(self._pipe.fileno(), 65536):
            with self._changed:
                self._data += data
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def text(self) -> str:
        with self._changed:
            return self._data.decode(errors="replace")

    def wait_for(self, text: str, deadline: float, times: int) -> str:
        ends_at = time.monotonic() + deadline
        wanted = text.encode()
        with self._changed:
            while self._data.count(wanted) < times:
                remaining = ends_at - time.monotonic()
                if self._ended or remaining <= 0:
                    said = "ended and never wrote" if self._ended else "has not written"
                    raise AssertionError(f"the server {said} {text!r}:\n{self.text()}")
                self._changed.wait(remaining)
            return self.text()

    def finish(self) -> None:
        """The process has ended: read what is left. A child that lives on holds the pipe open."""
        self._thread.join(STOP_DEADLINE)
        assert not self._thread.is_alive(), "the server ended, but left a process behind it"
        self._pipe.close()


@contextmanager
def running(
    target: str,
    *args: str,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    backlog: int = 1024,
    port: int = 0,
) -> Iterator[Server]:
    """Serve `target` with `bascule serve TARGET --bind fd://N ARGS...` on 127.0.0.1.

    env: variables to add to those of the tests. cwd: where the process runs and finds the target.
    port: where another server was before; any free one otherwise.
    """
    words = [sys.executable, "-m", "bascule", "serve", target, "--bind", "fd://{fd}", *args]
    scheme = "https" if "--ssl-certfile" in args else "http"
    with running_command(words, cwd, env, backlog, port, scheme) as server:
        yield server


@contextmanager
def running_command(
    words: list[str],
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    backlog: int = 1024,
    port: int = 0,
    scheme: str = "http",
) -> Iterator[Server]:
    """Run any server by a command that has `{fd}` for the number of the listening socket."""
    with socket.create_server(("127.0.0.1", port), backlog=backlog) as listener:
        port = listener.getsockname()[1]
        command = [word.replace("{fd}", str(listener.fileno())) for word in words]
        process = _start(command, cwd, env, listener)
    server = Server(process, port, scheme)
    try:
        yield server
    except BaseException as error:
        server.kill()
        error.add_note(f"--- output of the server ---\n{server.output()}")
        raise
    server.stop()


def _start(
    command: list[str],
    cwd: str | Path | None,
    env: Mapping[str, str] | None,
    listener: socket.socket,
) -> subprocess.Popen[bytes]:
    """Start `command` with `listener`, in a session of its own so that all can be killed."""
    return subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **(env or {})},
        pass_fds=[listener.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
