"""One application behind directories of files: the choice between them costs one comparison.

`DispatchInterface` can do the same, and does where there are several applications, or hosts.
"""

from collections.abc import Mapping

from bascule.interfaces.composite import CompositeInterface
from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.protocols.events import Request

PERCENT = b"%"


class FrontInterface(CompositeInterface):
    """Gives requests below some paths to one interface, and everything else to another.

    places: the interfaces of directories, by their paths; none of the paths begins like another.
    chooser: for paths that may mean one of them in another spelling, or below the path of a proxy.
    rest: for all others.
    """

    __slots__ = ("beginnings", "chooser", "longest", "places", "rest")

    def __init__(
        self, places: Mapping[bytes, Interface], chooser: Interface, rest: Interface
    ) -> None:
        # It has `rest` among its own.
        super().__init__((chooser,), rest.websockets)
        self.places = [(path + b"/", interface) for path, interface in places.items()]
        self.beginnings = tuple(places)
        # Each byte of a path may be written as three.
        self.longest = 3 * max(map(len, places))
        self.chooser = chooser
        self.rest = rest

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        path = request.path
        for beginning, interface in self.places:
            if path.startswith(beginning):
                return interface.exchange(request, carrier)
        if path in self.beginnings or PERCENT in path[: self.longest] or request.root_path:
            return self.chooser.exchange(request, carrier)
        return self.rest.exchange(request, carrier)
