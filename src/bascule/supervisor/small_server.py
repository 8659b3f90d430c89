"""A server for one question and one answer, in the supervisor's loop.

Its clients are probes and operators: few, with short questions. It uses no thread, because a
process that forks should have none.
"""

import selectors
import socket
from collections.abc import Callable

# Peers at once; more wait in the kernel's queue.
MOST_CLIENTS = 64
# Bytes of a question.
LONGEST_QUESTION = 8192
# Seconds for a question to arrive, and for an answer to be read.
PATIENCE = 5.0


class Client:
    """A connection.

    deadline: when it is closed.
    question: what has arrived of it.
    unsent: what is left of the answer.
    asked: the question is whole.
    """

    def __init__(self, server: "SmallServer", sock: socket.socket, deadline: float) -> None:
        self.server = server
        self.sock = sock
        self.deadline = deadline
        self.question = b""
        self.unsent = b""
        self.asked = False

    def answer(self, data: bytes) -> None:
        """Send the answer, and close."""
        if self in self.server.clients:
            self.unsent = data
            self.asked = True
            self.deadline = self.server.clock() + PATIENCE
            self.on_writable()

    def wait(self) -> None:
        """Keep the connection until the answer comes, however long that takes."""
        self.deadline = float("inf")

    def on_readable(self) -> None:
        try:
            data = self.sock.recv(LONGEST_QUESTION)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        if self.asked:
            return
        self.question += data
        if self.server.is_whole(self.question):
            self.asked = True
            self.server.take(self.question, self)
        elif len(self.question) > LONGEST_QUESTION:
            self.close()

    def on_writable(self) -> None:
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self.unsent = b""
        if self.unsent:
            self.server.selector.modify(self.sock, selectors.EVENT_WRITE, self.on_writable)
        else:
            self.close()

    def close(self) -> None:
        if self in self.server.clients:
            self.server.clients.discard(self)
            self.server.selector.unregister(self.sock)
            self.sock.close()
            if not self.server.closed:
                self.server.listen()


class SmallServer:
    """Listens on a socket for as long as the supervisor runs.

    is_whole: returns whether a question is whole.
    take: called with each question, and the client to answer.
    clients: the connections that are open.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listener: socket.socket,
        is_whole: Callable[[bytes], bool],
        take: Callable[[bytes, Client], None],
        clock: Callable[[], float],
    ) -> None:
        self.selector = selector
        self.listener = listener
        self.is_whole = is_whole
        self.take = take
        self.clock = clock
        self.clients: set[Client] = set()
        self.listening = False
        self.closed = False
        self.listen()

    def listen(self) -> None:
        if not self.listening:
            self.listening = True
            self.selector.register(self.listener, selectors.EVENT_READ, self.on_connect)

    def pause(self) -> None:
        """Ignore the listening socket, which stays readable while clients wait: the loop would do
        nothing else. `tick`, or the next connection that is closed, ends the pause."""
        if self.listening:
            self.listening = False
            self.selector.unregister(self.listener)

    def on_connect(self) -> None:
        if len(self.clients) >= MOST_CLIENTS:
            self.pause()
            return
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # Mostly no descriptor is left; clients keep waiting.
            self.pause()
            return
        sock.setblocking(False)
        client = Client(self, sock, self.clock() + PATIENCE)
        self.clients.add(client)
        self.selector.register(sock, selectors.EVENT_READ, client.on_readable)

    def tick(self) -> None:
        """Close connections that take too long, and accept again."""
        now = self.clock()
        for client in [client for client in self.clients if now >= client.deadline]:
            client.close()
        if not self.closed:
            self.listen()

    def close(self) -> None:
        """Close everything; no question is answered any more."""
        self.closed = True
        self.pause()
        for client in list(self.clients):
            client.close()
        self.listener.close()

    def leave(self) -> None:
        """Close the copies that a forked process has. Not through the selector: what is removed
        from it there, the kernel removes from the supervisor's as well."""
        for sock in (self.listener, *(client.sock for client in self.clients)):
            sock.close()
