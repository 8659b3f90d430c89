"""Interfaces in front of others: they choose one for each request, and count for all of them."""

from collections.abc import Iterable

from bascule.interfaces.exchange import Carrier, Exchange, Interface, WebSocketPlan
from bascule.protocols.events import Request


class CompositeInterface(Interface):
    """An interface in front of others. Subclasses add the choice, `exchange`.

    interfaces: the others, each once.
    """

    __slots__ = ("interfaces",)

    def __init__(
        self, interfaces: Iterable[Interface], websockets: WebSocketPlan | None = None
    ) -> None:
        super().__init__(websockets)
        self.interfaces = tuple(interfaces)

    def count_running(self) -> int:
        return sum([one.count_running() for one in self.interfaces])

    def has_busy_threads(self) -> bool:
        return True in [one.has_busy_threads() for one in self.interfaces]

    def count_switched(self) -> int:
        return sum([one.count_switched() for one in self.interfaces])

    def count_deserted(self) -> int:
        return sum([one.count_deserted() for one in self.interfaces])

    def calls(self) -> list[Exchange]:
        return [call for one in self.interfaces for call in one.calls()]

    def close(self) -> None:
        for one in self.interfaces:
            one.close()


class CountingInterface(CompositeInterface):
    """The interface of requests, which also counts the calls of others that get none of them."""

    __slots__ = ()

    def __init__(self, requests: Interface, others: Iterable[Interface]) -> None:
        super().__init__((requests, *others), requests.websockets)

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        return self.interfaces[0].exchange(request, carrier)
