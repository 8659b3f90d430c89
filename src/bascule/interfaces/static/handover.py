"""Files that an application names instead of sending them: X-Accel-Redirect and X-Sendfile.

An application that has checked who may have a file answers with one of these fields and an empty
body, and the server sends the file. django-sendfile2 and others write them for nginx and Apache:

    X-Accel-Redirect: /protected/a%20b.pdf      a path below the mount point of a directory
    X-Sendfile: /srv/protected/a b.pdf          the file itself, below such a directory

    connection <-> HandoverExchange <-> the application's exchange
                         |                  with an AppCarrier for its carrier
                         +-> StaticExchange for the file, from the head of the response on

The application's exchange sends to the `AppCarrier`, which passes everything on until a head names
a file. From then on everything that the application sends is dropped; its call ends
as usual.

The application's fields stay, its Content-Type, Content-Disposition, Cache-Control and cookies
above all; those that describe its own body are replaced. Only directories that the operator has
named are sent from.
"""

import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from bascule.interfaces.answers import PLAIN_TEXT, ServerResponse
from bascule.interfaces.composite import CompositeInterface
from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.interfaces.static.files import File, Files, of_304
from bascule.interfaces.static.http import NO_FILE, StaticExchange, printable
from bascule.interfaces.static.paths import is_relative
from bascule.mounting import MountPoint
from bascule.protocols.events import Request
from bascule.protocols.headers import Fields

logger = logging.getLogger("bascule")

ACCEL_REDIRECT = b"x-accel-redirect"
SENDFILE = b"x-sendfile"
# Of the application's own body, which is not sent, or of how nginx is to send the file.
REPLACED = frozenset(
    {
        b"accept-ranges",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"etag",
        b"last-modified",
        b"transfer-encoding",
        b"x-accel-buffering",
        b"x-accel-charset",
        b"x-accel-expires",
        b"x-accel-limit-rate",
        ACCEL_REDIRECT,
        SENDFILE,
    }
)
# The application's, where it has said so; otherwise the file's.
APPLICATION_DECIDES = frozenset({b"content-type", b"x-content-type-options"})
# Only the application knows who may keep its files.
NEVER_THE_FILES = frozenset({b"cache-control"})
NOT_CONFIGURED = b"the application named a file that this server may not send\n"


@dataclass(frozen=True, slots=True)
class Protected:
    """A directory that applications may have files sent from.

    point: below its prefix X-Accel-Redirect names the files. directory: an absolute path; below it
    X-Sendfile does. files: what is there.
    """

    point: MountPoint
    directory: bytes
    files: Files


class HandoverInterface(CompositeInterface):
    """Lets the applications behind name files of some directories."""

    __slots__ = ("behind", "directories")

    def __init__(self, behind: Interface, directories: Sequence[Protected]) -> None:
        super().__init__((behind,), behind.websockets)
        self.behind = behind
        self.directories = directories

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        if request.websocket is not None:
            return self.behind.exchange(request, carrier)
        return HandoverExchange(request, carrier, self)

    def find(self, name: bytes, value: bytes) -> "tuple[Files, bytes] | None":
        """Return the directory and the path of a file below it; None where the operator has not
        named the directory."""
        for protected in self.directories:
            if name == ACCEL_REDIRECT:
                prefix = protected.point.prefix.encode() + b"/"
                rest = unquote_to_bytes(value.partition(b"?")[0])
            else:
                prefix = protected.directory.rstrip(b"/") + b"/"
                rest = value
            if rest.startswith(prefix):
                return protected.files, rest.removeprefix(prefix)
        return None

    def calls(self) -> list[Exchange]:
        return [outermost(call) for call in super().calls()]

    def close(self) -> None:
        for protected in self.directories:
            protected.files.close()
        super().close()


def outermost(call: Exchange) -> Exchange:
    """The exchange that the connection has, for one that an application's interface has."""
    carrier = call.carrier
    return carrier.exchange if isinstance(carrier, AppCarrier) else call


class HandoverExchange(Exchange):
    """The exchange that a connection has for a request to an application that may name a file.

    application: its own exchange. app_carrier: what that one sends to. file: the exchange of the
    file, once one was named.
    """

    __slots__ = ("app_carrier", "application", "file", "interface")

    def __init__(self, request: Request, carrier: Carrier, interface: HandoverInterface) -> None:
        super().__init__(request, carrier)
        self.interface = interface
        self.file: Exchange | None = None
        self.app_carrier = AppCarrier(self, carrier)
        self.application = interface.behind.exchange(request, self.app_carrier)

    @property
    def called_by(self) -> str:  # type: ignore[override]
        return self.application.called_by

    def hand_over(self, status: int, fields: Fields, by: bytes, value: bytes) -> None:
        """The application has named a file: send it."""
        request, carrier = self.request, self.carrier
        named = [(name.lower(), value) for name, value in fields]
        kept = [field for field in named if field[0] not in REPLACED]
        found = self.interface.find(by, value)
        if found is None:
            logger.error(
                "%s: the application sent %s: %s, and no --accel-redirect has that directory",
                printable(request), by.decode(), ascii(value.decode("latin-1")),
            )  # fmt: skip
            self.file = ServerResponse(request, carrier, 500, PLAIN_TEXT, NOT_CONFIGURED)
        else:
            self.file = self.answer(status, kept, *found)
        self.file.disconnected = self.disconnected
        self.file.start()

    def answer(self, status: int, kept: Fields, files: Files, path: bytes) -> Exchange:
        """Return the exchange that sends a file, or says why it cannot."""
        request, carrier = self.request, self.carrier
        try:
            file = files.find(path) if is_relative(path) else None
        except OSError as error:
            logger.error("%s: %s cannot be read: %s", printable(request), ascii(path), error)
            file = None
        if isinstance(file, File):
            return HandedOver(request, carrier, files, file, status, kept)
        logger.warning(
            "%s: the application named a file that is not there: %s",
            printable(request), ascii(os.fsdecode(path)),
        )  # fmt: skip
        return ServerResponse(request, carrier, 404, PLAIN_TEXT, NO_FILE)

    # From the connection: for the application, and for the file when it is the file's turn.

    def start(self) -> None:
        self.application.arrived_at = self.arrived_at
        self.app_carrier.synchronize()
        self.application.start()

    def receive_body(self, data: bytes) -> None:
        self.application.receive_body(data)

    def end_body(self, trailers: list[tuple[bytes, bytes]]) -> None:
        self.body_ended = True
        self.application.end_body(trailers)

    def disconnect(self) -> None:
        self.disconnected = self.finished_sending = True
        self.application.disconnect()
        if self.file is not None:
            self.file.disconnect()

    def finish_sending(self) -> None:
        self.finished_sending = True
        self.application.finish_sending()

    def resume_writing(self) -> None:
        if self.file is not None:
            self.file.resume_writing()
        else:
            self.app_carrier.synchronize()
            self.application.resume_writing()

    def wake_reader(self) -> None:
        self.application.wake_reader()

    def catch_up(self) -> None:
        self.application.catch_up()

    def tick(self) -> None:
        self.application.tick()

    def whereabouts(self) -> str:
        return "sending a file" if self.file is not None else self.application.whereabouts()

    def thread(self) -> int:
        return self.application.thread()

    def stack(self) -> str:
        return self.application.stack()

    def is_running(self) -> bool:
        return self.application.is_running()

    def waits_for_turn(self) -> bool:
        return self.application.waits_for_turn()

    def holds_up(self) -> bool:
        return self.application.holds_up()

    def expire(self) -> None:
        self.application.expire()


class HandedOver(StaticExchange):
    """The file that an application has named, with the application's fields.

    status: the application's. kept: its fields.
    """

    __slots__ = ("kept",)

    def __init__(
        self,
        request: Request,
        carrier: Carrier,
        files: Files,
        file: File,
        status: int,
        kept: Fields,
    ) -> None:
        super().__init__(request, carrier, files, file, status)
        self.kept = kept

    def described(self, fields: Fields) -> Fields:
        decided = {name for name, _ in self.kept}
        own = [
            field
            for field in fields
            if field[0] not in NEVER_THE_FILES
            and not (field[0] in APPLICATION_DECIDES and field[0] in decided)
        ]
        return self.kept + own

    def described_304(self) -> Fields:
        return of_304(self.described(self.variant.fields))


class AppCarrier(Carrier):
    """The carrier of an application's exchange: the real one, until a file is named.

    exchange: the one that the connection has. real: the carrier.
    """

    __slots__ = ("exchange", "real")

    def __init__(self, exchange: HandoverExchange, real: Carrier) -> None:
        self.exchange = exchange
        self.real = real
        self.endpoint = real.endpoint
        self.congested = False

    @property
    def is_over(self) -> bool:
        """A file was named: what the application sends now is not sent."""
        return self.exchange.file is not None

    def synchronize(self) -> None:
        """Copy the attributes of the carrier that exchanges read."""
        self.congested = self.real.congested

    def respond(
        self,
        status: int,
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        end: bool,
        reason: bytes = b"",
    ) -> None:
        for name, value in fields:
            if name.lower() in (ACCEL_REDIRECT, SENDFILE):
                self.congested = False
                self.exchange.hand_over(status, fields, name.lower(), value)
                return
        self.note_wait()
        self.real.respond(status, fields, body, end, reason)
        self.synchronize()

    def note_wait(self) -> None:
        """The connection logs how long the call has waited."""
        self.exchange.waited = self.exchange.application.waited

    def send(self, data: bytes, end: bool) -> None:
        if not self.is_over:
            self.real.send(data, end)
            self.synchronize()

    def send_trailers(self, fields: list[tuple[bytes, bytes]]) -> None:
        if not self.is_over:
            self.real.send_trailers(fields)

    def send_file(self, file: object, offset: int, count: int, end: bool) -> None:
        if self.is_over:
            file.close()  # type: ignore[attr-defined]
        else:
            self.real.send_file(file, offset, count, end)
            self.synchronize()

    def inform(self, status: int, fields: list[tuple[bytes, bytes]]) -> None:
        if not self.is_over:
            self.real.inform(status, fields)

    def accept(
        self, session: object, subprotocol: str | None, fields: list[tuple[bytes, bytes]]
    ) -> None:
        self.real.accept(session, subprotocol, fields)

    def tunnel(self, exchange: Exchange, sock: socket.socket) -> Callable[[], None]:
        return self.real.tunnel(exchange, sock)

    def is_crowded(self) -> bool:
        return self.real.is_crowded()

    def holds_back(self) -> bool:
        return self.real.holds_back()

    def wait_for_room(self) -> None:
        self.real.wait_for_room()

    def want_body(self) -> None:
        if not self.is_over:
            self.real.want_body()

    def hold_body(self) -> None:
        if not self.is_over:
            self.real.hold_body()

    def abort(self) -> None:
        # An application that fails after it has named a file has answered all the same.
        if not self.is_over:
            self.real.abort()
