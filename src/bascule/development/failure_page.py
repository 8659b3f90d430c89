"""The page that browsers get in development when new code did not start: it shows why.

A developer who has saved a mistake turns to the browser next. A page of the old code would suggest
that nothing has changed, and where no code serves at all the browser would wait in silence. So

    the old code serves   page loads are answered with the reason, status 500; everything else by
                          the old code: requests of scripts, forms, WebSockets
    nothing serves        everything is answered with the reason, by the reloader

The page asks every second whether it still holds, and loads again when the code starts, or fails
in another way. Rejected: a script in the application's own pages. They would have to be changed on
their way, whatever their encoding, compression and content security policy.
"""

import asyncio
import logging
import threading
import zlib
from collections.abc import Sequence
from functools import partial
from html import escape
from string import Template
from typing import TYPE_CHECKING, Protocol

from bascule.interfaces.answers import PLAIN_TEXT, ServerResponse
from bascule.interfaces.composite import CompositeInterface
from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.protocols.events import Request
from bascule.settings import Settings
from bascule.settings.values import Values

if TYPE_CHECKING:
    import socket

logger = logging.getLogger("bascule")

# Which failure a page shows; the page sends it back when it asks whether that still holds.
FAILURE_FIELD = b"bascule-failed"
# Sec-Fetch-Dest of a page load (Fetch Metadata Request Headers, section 2.1).
PAGE_LOADS = frozenset({b"document", b"iframe", b"frame"})
# Seconds until the thread that serves pages has to have ended.
PATIENCE = 2.0

OLD_CODE = (
    "The previous code still serves everything except page loads: forms, requests of scripts, "
    "WebSockets."
)
NO_CODE = "Nothing is served until it does."
PAGE = Template("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The code did not start</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
pre { background: #8882; border-left: 4px solid #c33; overflow-x: auto; padding: 1rem }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } }
</style>
<h1>The code did not start</h1>
<pre>$reason</pre>
<p>$consequence This page loads again when the code starts.</p>
<script>
const shown = "$failure";
async function look() {
  try {
    const answer = await fetch(location.href, {
      headers: {"Bascule-Failed": shown}, cache: "no-store", redirect: "manual",
    });
    if (answer.headers.get("Bascule-Failed") !== shown) return location.reload();
  } catch {}
  setTimeout(look, 1000);
}
setTimeout(look, 1000);
</script>
""")


class FailureSource(Protocol):
    """Why new code failed to start; "" where it did not."""

    failure: str


class FailureInterface(CompositeInterface):
    """Answers page loads with the reason while there is one; the rest goes to the application.

    source: has the reason.
    behind: the interface of the application; None without one, and everything is answered.
    """

    __slots__ = ("behind", "source")

    def __init__(self, source: FailureSource, behind: Interface | None = None) -> None:
        websockets = None if behind is None else behind.websockets
        super().__init__(() if behind is None else (behind,), websockets)
        self.source = source
        self.behind = behind

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        failure = self.source.failure
        if self.behind is not None and not (failure and is_page_load(request)):
            return self.behind.exchange(request, carrier)
        return failure_response(request, carrier, failure, self.behind is not None)


def is_page_load(request: Request) -> bool:
    """Whether a browser loads a page, or the failure page asks whether it still holds.

    A form that is sent is not a page load: what was typed must not be lost.
    """
    if request.method != "GET":
        return False
    fields = dict(request.fields)
    if FAILURE_FIELD in fields:
        return True
    destination = fields.get(b"sec-fetch-dest")
    if destination is not None:
        return destination in PAGE_LOADS
    return b"text/html" in fields.get(b"accept", b"")


def failure_response(
    request: Request, carrier: Carrier, failure: str, old_code: bool
) -> ServerResponse:
    """Return the exchange that answers a request with the reason."""
    fields = [(b"cache-control", b"no-store")]
    if is_page_load(request):
        number = f"{zlib.crc32(failure.encode()):08x}"
        fields += [
            (b"content-type", b"text/html; charset=utf-8"),
            (FAILURE_FIELD, number.encode()),
        ]
        text = PAGE.substitute(
            reason=escape(failure),
            consequence=OLD_CODE if old_code else NO_CODE,
            failure=number,
        )
    else:
        fields += PLAIN_TEXT
        text = f"the code did not start\n\n{failure}\n"
    return ServerResponse(request, carrier, 500, fields, text.encode())


# Settings that the page is served with: those of connections, and none of the application.
OF_CONNECTIONS = (
    "http",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_keyfile_password",
    "ssl_ca_certs",
    "ssl_cert_reqs",
    "backlog",
)


def page_settings(settings: Settings) -> Settings:
    kept = {name: getattr(settings, name) for name in OF_CONNECTIONS}
    return Settings.holding(Values({**kept, "loop_stall": None}))


class FailureServer:
    """Serves the reason in a thread, on sockets that no server serves on, until `end`.

    settings: for TLS, and the versions of HTTP.
    sockets: what to serve on.
    failure: the reason.
    """

    def __init__(
        self, settings: Settings, sockets: "Sequence[socket.socket]", failure: str
    ) -> None:
        self.settings = page_settings(settings)
        self.sockets = sockets
        self.failure = failure
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bascule failure", daemon=True)
        self._thread.start()
        self._begun.wait(PATIENCE)

    def end(self) -> None:
        """Serve no more. Connections in the kernel's queue stay there for the next server."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._stop.set)
            except RuntimeError:
                pass  # it has ended already
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            # Mostly, files for TLS are wrong; the next start reports that.
            logger.debug("cannot serve the page that shows what has failed: %r", error)
        finally:
            self._begun.set()

    async def _serve(self) -> None:
        # First: `end` needs it.
        self._loop = asyncio.get_running_loop()
        from bascule.worker.worker import Worker

        worker = Worker([], self.settings, self.sockets)
        worker.wrap_interface = partial(FailureInterface, self)
        await worker.start()
        self._begun.set()
        await self._stop.wait()
        for acceptor in worker.acceptors:
            acceptor.close()
        give_up = asyncio.Event()
        give_up.set()
        await worker.drain(give_up)
