"""Responses that the server makes itself, without an application: mostly in plain text."""

from bascule.interfaces.exchange import Carrier, Exchange
from bascule.protocols.events import Request
from bascule.protocols.headers import Fields

TEXT = (b"content-type", b"text/plain; charset=utf-8")
PLAIN_TEXT = [TEXT]
TRY_AGAIN = [TEXT, (b"retry-after", b"1")]


class WithoutApplication(Exchange):
    """A request that no application is called for. Its body is dropped."""

    __slots__ = ()

    def receive_body(self, data: bytes) -> None:
        """Drop a piece of the body: there is no reader."""

    def resume_writing(self) -> None:
        """Do nothing: the response is complete."""

    def wake_reader(self) -> None:
        """Do nothing: there is no reader."""


class ServerResponse(WithoutApplication):
    """A request whose whole response is known."""

    __slots__ = ("response",)

    def __init__(
        self, request: Request, carrier: Carrier, status: int, fields: Fields, body: bytes = b""
    ) -> None:
        super().__init__(request, carrier)
        self.response = (status, fields, body)

    def start(self) -> None:
        status, fields, body = self.response
        self.carrier.respond(status, fields, body, True)
