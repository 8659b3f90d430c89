"""A client that counts: many connections that ask one after the other, and check every answer.

    with asking(port, connections=8) as load:
        ...
    assert load.failures == []
    assert load.answers > 100

A connection is used again for as long as the server lets it; one that ends although it was not
announced by `Connection: close`, is refused or reset, or brings any but the expected answer, is a
failure.
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager

DEADLINE = 20.0


class Load:
    """The requests and responses so far."""

    def __init__(self, port: int, pause: float = 0.0) -> None:
        self.port = port
        self.pause = pause
        self.answers = 0
        self.failures: list[str] = []
        # Of each failure: the process that had answered on its connection before, "" for none.
        self.blamed: list[str] = []
        self._stopping = threading.Event()
        self._changed = threading.Condition()

    def wait_for_answers(self, count: int, deadline: float = DEADLINE) -> None:
        """Wait until so many more have been answered."""
        with self._changed:
            wanted = self.answers + count
            assert self._changed.wait_for(lambda: self.answers >= wanted, deadline), (
                f"{self.answers} answers, {wanted} wanted; failed: {self.failures[:5]}"
            )

    def ask(self, name: int) -> None:
        """Ask until told to stop. For a thread."""
        connection = None
        worker = ""
        number = 0
        while not self._stopping.wait(self.pause):
            number += 1
            token = f"{name}-{number}"
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
                worker = ""
            try:
                connection.request("GET", f"/echo?{token}")
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.fail(f"{token}: {error!r}", worker)
                connection.close()
                connection = None
                continue
            if (response.status, body) != (200, token.encode()):
                self.fail(f"{token}: {response.status} {body!r}", worker)
            worker = response.getheader("x-worker", "")
            if response.will_close:
                connection.close()
                connection = None
            with self._changed:
                self.answers += 1
                self._changed.notify_all()
        if connection is not None:
            connection.close()

    def fail(self, text: str, worker: str) -> None:
        with self._changed:
            self.failures.append(text)
            self.blamed.append(worker)
            self._changed.notify_all()

    def stop(self) -> None:
        self._stopping.set()


@contextmanager
def asking(port: int, connections: int = 8, pause: float = 0.0) -> Iterator[Load]:
    """Ask on so many connections at once for as long as the block runs; each takes a `pause` of
    seconds behind an answer."""
    load = Load(port, pause)
    threads = [
        threading.Thread(target=load.ask, args=(number,), name=f"client {number}")
        for number in range(connections)
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop()
        for thread in threads:
            thread.join(DEADLINE)
