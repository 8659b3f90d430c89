"""A server for a question and an answer, inside the supervisor's one loop.

What asks is a probe or an operator: so few, so short and so slow as these bounds allow, and no
thread, since a process that forks had better have none.
"""

import selectors
import socket
from collections.abc import Callable

# Peers at once; more wait in the kernel's queue.
MOST_CLIENTS = 64
# Octets of a question.
LONGEST_QUESTION = 8192
# Seconds for a question to arrive, and for an answer to be read.
PATIENCE = 5.0


class Client:
    """Somebody who has connected."""

    def __init__(self, server: "SmallServer", sock: socket.socket, deadline: float) -> None:
        self.server = server
        self.sock = sock
        self.deadline = deadline
        self.question = b""
        self.unsent = b""
        self.asked = False

    def answer(self, data: bytes) -> None:
        """Send this, and close."""
        if self in self.server.clients:
            self.unsent = data
            self.asked = True
            self.deadline = self.server.clock() + PATIENCE
            self.on_writable()

    def wait(self) -> None:
        """The answer comes later, however long that takes."""
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

    is_whole: whether this is a whole question. take: is given each, with the client to answer.
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
        """Not be told of those who wait: being told again and again would be all that the loop
        does. `tick`, or the next client that goes, ends it."""
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
            # No descriptor is left, as a rule, and whoever waits goes on waiting.
            self.pause()
            return
        sock.setblocking(False)
        client = Client(self, sock, self.clock() + PATIENCE)
        self.clients.add(client)
        self.selector.register(sock, selectors.EVENT_READ, client.on_readable)

    def tick(self) -> None:
        """Let go of those who take too long, and look again for those who wait."""
        now = self.clock()
        for client in [client for client in self.clients if now >= client.deadline]:
            client.close()
        if not self.closed:
            self.listen()

    def close(self) -> None:
        """Answer nobody any more."""
        self.closed = True
        self.pause()
        for client in list(self.clients):
            client.close()
        self.listener.close()

    def leave(self) -> None:
        """Close a forked worker's copies of it all. Not by the selector: what is taken out of it
        there, the kernel takes out of the supervisor's as well."""
        for sock in (self.listener, *(client.sock for client in self.clients)):
            sock.close()
