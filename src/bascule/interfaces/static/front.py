"""One application behind directories of files: the choice between them costs one comparison.

`DispatchInterface` can do the same, and does where there are several applications, or hosts.
"""

from collections.abc import Sequence

from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.protocols.events import Request

PERCENT = b"%"


class FrontInterface(Interface):
    """Gives requests below some paths to one interface, and everything else to another.

    prefixes: of the paths, each beginning with a slash. chooser: for requests whose paths begin
    like one of them; it knows where they end. rest: for all others.
    """

    __slots__ = ("chooser", "longest", "prefixes", "rest")

    def __init__(self, prefixes: Sequence[bytes], chooser: Interface, rest: Interface) -> None:
        super().__init__(rest.websockets)
        self.prefixes = tuple(prefixes)
        self.longest = 3 * max(map(len, prefixes))
        self.chooser = chooser
        self.rest = rest

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        path = request.path
        if path.startswith(self.prefixes) or PERCENT in path[: self.longest]:
            return self.chooser.exchange(request, carrier)
        return self.rest.exchange(request, carrier)

    # The chooser has the application among its own.

    def count_running(self) -> int:
        return self.chooser.count_running()

    def has_busy_threads(self) -> bool:
        return self.chooser.has_busy_threads()

    def count_switched(self) -> int:
        return self.chooser.count_switched()

    def count_deserted(self) -> int:
        return self.chooser.count_deserted()

    def calls(self) -> list[Exchange]:
        return self.chooser.calls()

    def close(self) -> None:
        self.chooser.close()
