"""The servers that answer probes and operators."""

import selectors
from collections.abc import Callable

from bascule.supervisor.control import Control, is_whole_line
from bascule.supervisor.health import answer, is_whole_head
from bascule.supervisor.small_server import Client, SmallServer
from bascule.supervisor.table import WorkerTable
from bascule.supervisor.upgrade import Listeners


class Questions:
    """Answers probes and operators, between `open` and `close`.

    control: answers operators.
    table: returns the state of the workers.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listeners: Listeners,
        control: Control,
        table: Callable[[], WorkerTable],
        clock: Callable[[], float],
    ) -> None:
        self.selector = selector
        self.listeners = listeners
        self.control = control
        self.table = table
        self.clock = clock
        self.servers: list[SmallServer] = []

    def open(self) -> None:
        """Begin to answer."""
        for sock in self.listeners.health:
            self.servers.append(
                SmallServer(self.selector, sock, is_whole_head, self.on_probe, self.clock)
            )
        for sock in self.listeners.control:
            self.servers.append(
                SmallServer(self.selector, sock, is_whole_line, self.control.take, self.clock)
            )

    def on_probe(self, question: bytes, client: Client) -> None:
        client.answer(answer(question, self.table()))

    def tick(self) -> None:
        """Close connections that take too long."""
        for server in self.servers:
            server.tick()

    def close(self) -> None:
        """Answer no more, and close the listening sockets."""
        for server in self.servers:
            server.close()
        self.servers.clear()

    def leave(self) -> None:
        """Close the copies that a forked process has."""
        for server in self.servers:
            server.leave()
