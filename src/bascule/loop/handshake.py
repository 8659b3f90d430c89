"""TLS handshakes: connections that begin with one, and what a client hears when it fails.

A client whose handshake fails gets the reason in an alert (RFC 8446 section 6.2, RFC 5246 section
7.2.2): that it speaks no version in common, no cipher suite, that a certificate is required.
OpenSSL writes the alert into the memory between itself and the socket, and every transport (of
asyncio, uvloop, aiofastnet 1.2) closes the socket without reading that memory again. The client
then sees a connection that was closed for no reason. So the alert is sent here, at the moment when
the handshake fails and the socket is still open:

    SSLObject        the context makes a subclass, whose do_handshake() sends what OpenSSL wrote.
                     It finds the socket in a context variable, because each connection is set up
                     in a task of its own. This serves the loops' transports, and those of
                     aiofastnet where Python is linked statically and it has to use SSLObject, too.
    aiofastnet       calls OpenSSL itself; a subclass of its transport flushes before it closes.

Closing a socket with unread input resets the connection, and a reset may overtake the alert: a
client of TLS 1.3 sends its request together with its Finished. So the server ends its side, and
reads on for a moment (`Farewells`).

Rejected: a handshake of our own before there is a transport. No transport takes one over. Rejected
too: an alert made from the error's name. After the first flight of TLS 1.3 it must be encrypted.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import partial
from typing import Any

Connected = tuple[asyncio.BaseTransport, asyncio.BaseProtocol]
Connect = Callable[..., Coroutine[Any, Any, Connected]]

# How long a client has to read its alert, and how many may be read from meanwhile. Past it the
# socket is closed at once, so that an attacker cannot use up memory.
FAREWELL_SECONDS = 1.0
MOST_FAREWELLS = 64
READ = 65536

# Reasons for a failed handshake, each as the end of a sentence about the client, and OpenSSL's
# names for them.
NO_VERSION = "it offers no TLS version that this server supports (1.2, 1.3)"
NO_CIPHER = "it offers no cipher suite or key exchange that this server supports"
NOT_TLS = "it sent data that is not TLS"
PLAIN_HTTP = "it sent plain HTTP to a TLS port"
NO_CERTIFICATE = "it sent no certificate (--ssl-cert-reqs required)"
WORDS = {
    "UNSUPPORTED_PROTOCOL": NO_VERSION,
    "VERSION_TOO_LOW": NO_VERSION,
    "NO_PROTOCOLS_AVAILABLE": NO_VERSION,
    "UNKNOWN_PROTOCOL": NO_VERSION,
    "INAPPROPRIATE_FALLBACK": NO_VERSION,
    "NO_SHARED_CIPHER": NO_CIPHER,
    "NO_SUITABLE_KEY_SHARE": NO_CIPHER,
    "NO_SUITABLE_GROUPS": NO_CIPHER,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": NO_CIPHER,
    "NO_SHARED_SIGNATURE_ALGORITHMS": NO_CIPHER,
    "WRONG_VERSION_NUMBER": NOT_TLS,
    "WRONG_SSL_VERSION": NOT_TLS,
    "BAD_RECORD_TYPE": NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": NOT_TLS,
    "RECORD_TOO_SMALL": NOT_TLS,
    "HTTP_REQUEST": PLAIN_HTTP,
    "HTTPS_PROXY_REQUEST": PLAIN_HTTP,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": NO_CERTIFICATE,
}
UNVERIFIED = "its certificate does not verify"


def why_failed(error: BaseException) -> tuple[str, str] | None:
    """Why a handshake has failed, as the end of a sentence about the client: the kind of reason,
    and the whole of it. None where the client just left, or said nothing."""
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or "unknown"
    if isinstance(error, ssl.SSLCertVerificationError):
        return UNVERIFIED, f"{UNVERIFIED}: {getattr(error, 'verify_message', reason)}"
    known = WORDS.get(reason)
    if known is not None:
        return known, known
    plain = reason.lower().replace("_", " ")
    _, alert, told = plain.partition("alert ")
    # Alerts of clients have the version in front, of whichever protocol had them first.
    text = f"it sent the alert {told!r}" if alert else f"OpenSSL says {plain!r}"
    return text, text


class Farewells:
    """Sockets whose server side has ended, kept for a moment so that the last bytes arrive."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: dict[socket.socket, asyncio.TimerHandle] = {}

    def say(self, conn: socket.socket, data: bytes = b"") -> None:
        """Send `data`, end this side of the connection, and read what the client sends until it
        ends as well, or has had its time. `conn` stays the caller's, who is about to close it."""
        if len(self._open) >= MOST_FAREWELLS:
            return
        try:
            ours = conn.dup()
        except OSError:
            return
        try:
            if data:
                ours.send(data)
            ours.shutdown(socket.SHUT_WR)
        except OSError:
            ours.close()
            return
        self._open[ours] = self._loop.call_later(FAREWELL_SECONDS, self._end, ours)
        self._loop.add_reader(ours, self._read, ours)

    def _read(self, ours: socket.socket) -> None:
        try:
            if ours.recv(READ):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end(ours)

    def _end(self, ours: socket.socket) -> None:
        self._open.pop(ours).cancel()
        self._loop.remove_reader(ours)
        ours.close()

    def abort(self) -> None:
        """Close all of them."""
        for ours in list(self._open):
            self._end(ours)


class Handshake:
    """Where the alert of the handshake that the current task waits for goes to."""

    __slots__ = ("conn", "farewells")

    def __init__(self, conn: socket.socket, farewells: Farewells) -> None:
        self.conn: socket.socket | None = conn
        self.farewells = farewells

    def fail(self, alert: bytes) -> None:
        if self.conn is not None and alert:
            self.farewells.say(self.conn, alert)
            self.conn = None


_handshake: ContextVar[Handshake | None] = ContextVar("bascule handshake", default=None)


class TellingObject(ssl.SSLObject):
    """An SSLObject that sends the alert of a handshake that fails."""

    outgoing: ssl.MemoryBIO | None = None

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            handshake = _handshake.get()
            if handshake is not None and self.outgoing is not None:
                handshake.fail(self.outgoing.read())
            raise


def tell_failures(context: ssl.SSLContext) -> None:
    """Have the objects that `context` makes send their alerts. Twice is as once."""
    if issubclass(context.sslobject_class or ssl.SSLObject, TellingObject):
        return
    context.sslobject_class = TellingObject
    wrap_bio = context.wrap_bio

    def wrap(incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **options: Any) -> ssl.SSLObject:
        made = wrap_bio(incoming, outgoing, **options)
        assert isinstance(made, TellingObject)
        made.outgoing = outgoing
        return made

    # The method of this one object: what the transports call.
    vars(context)["wrap_bio"] = wrap


def telling(connect: Connect, farewells: Farewells) -> Connect:
    """`connect` of a loop, for a context that tells failures."""

    async def connect_telling(factory: Any, conn: socket.socket, **options: Any) -> Connected:
        tell_failures(options["ssl"])
        handshake = Handshake(conn, farewells)
        _handshake.set(handshake)
        try:
            return await connect(factory, conn, **options)
        finally:
            # The variable lives on in the tasks of this connection.
            handshake.conn = None

    return connect_telling


def fast_connector(loop: asyncio.AbstractEventLoop, farewells: Farewells) -> Connect:
    """The function that makes aiofastnet's transports. Raises ImportError where aiofastnet is not
    installed."""
    import aiofastnet

    try:
        from bascule.loop.fastnet import connector
    except ImportError:
        # A Python that is linked statically, or a version of aiofastnet with other insides.
        return telling(partial(aiofastnet.connect_accepted_socket, loop), farewells)
    return connector(loop, farewells)
