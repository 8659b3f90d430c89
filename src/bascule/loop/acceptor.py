"""Accepting connections: from a listening socket to transports with a protocol each.

The accepting is our own, on every loop alike. So are the transports of connections without TLS
where the system has epoll (`plain`): they need no task, and are there when `accept` returns.
Elsewhere they are the loop's, and under TLS aiofastnet's where it is installed (1.4 times as
fast). Rejected: `create_server` of the loop and
of aiofastnet. They close the listening socket, which other workers still need; they cannot pause
at a connection limit; and when file descriptors run out, aiofastnet 1.2 logs the error and tries
again at once, 100,000 times a second, for as long as a connection waits.

A TLS connection counts as `pending` until its handshake is done, and so does one whose PROXY
header is awaited. `close` lets it finish, as it lets connections finish; `abort` does not.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from bascule.loop.plain import PlainFactory
from bascule.loop.poller import HAS_EPOLL, Poller

if TYPE_CHECKING:
    import ssl as ssl_module

    from bascule.loop.handshake import Connect, Farewells
    from bascule.loop.proxied import ProxyHeaders

logger = logging.getLogger("bascule")

# Any: a compiled class cannot derive from asyncio.Protocol, and no transport asks whether it does.
ProtocolFactory = Callable[..., Any]
Warn = Callable[[str, str], None]

# How many connections one turn of the loop accepts. Each costs some 80 microseconds until it is
# set up: more would let a burst of new connections hold up the requests of those already open, and
# would let one worker take what its idle siblings could serve.
ACCEPTS_PER_TURN = 32

# Seconds that a TLS client has to answer the close_notify of a connection that is closed; many
# never do, and everything was sent by then.
SHUTDOWN_TIMEOUT = 2.0

# How many turns closing may take to empty the kernel's queue: 2,048 connections, the default
# backlog.
MOST_TURNS = 64

# Seconds until accepting is tried again when the system has no file descriptor or memory left.
# Connections end all the time, so this is short; the kernel's queue holds the waiting ones
# meanwhile.
RETRY_DELAY = 0.25

# Seconds for which a connection is left to workers that have fewer. An idle worker takes it in a
# tenth of that; when none has, they are busy, and the worker that waited takes it.
GIVE_WAY = 0.002

# Nothing, or no longer anything, to accept: accept(2) also reports here what befell the one
# connection.
NOTHING_TO_ACCEPT = frozenset(
    {
        errno.EAGAIN,
        errno.EINTR,
        errno.ECONNABORTED,
        errno.EPERM,
        errno.EPROTO,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENOPROTOOPT,
    }
)


async def listen(
    loop: asyncio.AbstractEventLoop,
    protocol_factory: ProtocolFactory,
    sock: socket.socket,
    *,
    backlog: int,
    ssl: "ssl_module.SSLContext | None" = None,
    ssl_handshake_timeout: float = 30.0,
    proxy_headers: "ProxyHeaders | None" = None,
    warn: "Warn | None" = None,
) -> "Acceptor":
    """Begin to accept on `sock`, giving every connection a protocol of its own.

    sock: bound; it is made non-blocking, and closed by its opener after the acceptor.
    backlog: connections the kernel keeps waiting, given to listen(2) again: an inherited socket
    has some other.
    ssl: the server's context; connections then speak TLS, and `connection_made` comes after the
    handshake.
    ssl_handshake_timeout: seconds a client has for the handshake.
    proxy_headers: reads the PROXY header of each connection, which comes before TLS. The factory
    is given what it says, if it says anything.
    warn: told of TLS handshakes that fail, by a word for the kind of failure and a sentence.
    """
    connect: "Connect" = loop.connect_accepted_socket
    farewells = None
    plain = None
    if ssl is not None:
        connect, farewells = _tls_connector(loop, ssl)
        connect = partial(
            connect,
            ssl=ssl,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
        _ignore_broken_handshakes(loop)
    elif HAS_EPOLL:
        plain = PlainFactory(Poller(loop), sock)
        connect = plain.adopt
    if sock.family != socket.AF_UNIX:
        # Connections inherit it. The transports set it too, but only on sockets whose protocol
        # number is TCP's and not 0, as those made by socket.create_server() have; without it every
        # small response in several writes waits 40 ms for an acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A caller's socket may block, and the loop would then wait in accept(2).
    sock.setblocking(False)
    sock.listen(backlog)
    acceptor = Acceptor(
        loop, connect, protocol_factory, sock, proxy_headers, farewells, warn, plain
    )
    acceptor.resume()
    return acceptor


def _tls_connector(
    loop: asyncio.AbstractEventLoop, ssl: "ssl_module.SSLContext"
) -> "tuple[Connect, Farewells]":
    # On plain connections aiofastnet is no faster than uvloop, costs 1.3 MB of every worker, and
    # twice as much for each new connection; so it is for TLS only.
    from bascule.loop.handshake import Farewells, fast_connector, telling

    farewells = Farewells(loop)
    # aiofastnet 1.2 decodes a client's certificate by way of a temporary file, for every
    # connection, and refuses the client where no file can be written (a read-only container). It
    # has no SSLObject to give to a callback for the server's name.
    if not ssl.verify_mode and ssl.sni_callback is None:
        try:
            return fast_connector(loop, farewells), farewells
        except ImportError:
            pass
    return telling(loop.connect_accepted_socket, farewells), farewells


class Acceptor:
    """Accepts connections on one listening socket; see `listen`. For use on the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connect: "Connect",
        protocol_factory: ProtocolFactory,
        sock: socket.socket,
        proxy_headers: "ProxyHeaders | None" = None,
        farewells: "Farewells | None" = None,
        warn: "Warn | None" = None,
        plain: PlainFactory | None = None,
    ) -> None:
        self._proxy_headers = proxy_headers
        # Makes transports of our own.
        self._plain = plain
        self._farewells = farewells
        self._warn = warn
        self._loop = loop
        self._connect = connect
        self._protocol_factory = protocol_factory
        self._sock = sock
        # Kept, because removing the reader must work after other code has closed the socket.
        self._fd = sock.fileno()
        self._accepting = False
        self._closed = False
        # Asked with the number of pending connections before each is accepted; False pauses.
        self.may_accept: Callable[[int], bool] = _always
        # Asked in the same way; True leaves the connection to other workers for a moment.
        self.another_should_accept: Callable[[int], bool] = _never
        self._has_waited = False
        self._starved = False
        self._retry: asyncio.TimerHandle | None = None
        self._pending: set[asyncio.Task[Any]] = set()
        if plain is not None:
            plain.poller.hold()

    def renew(self, ssl: "ssl_module.SSLContext") -> None:
        """Give connections from now on this context, of one that was begun with another.

        It must ask clients for certificates where that one did: transports depend on it.
        """
        self._connect = partial(self._connect, ssl=ssl)

    @property
    def pending(self) -> int:
        """Connections accepted whose protocol does not know of them yet: mostly TLS
        handshakes."""
        return len(self._pending)

    @property
    def is_accepting(self) -> bool:
        """False while paused, while the system is out of resources, and after `close`."""
        return self._accepting

    def pause(self) -> None:
        """Accept no more until `resume`; new connections wait in the kernel's queue."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        """Accept again after `pause`. After `close` this does nothing."""
        if self._closed or self._accepting:
            return
        if self._retry is not None:
            # Where another caller was faster; it would end a later pause before its time.
            self._retry.cancel()
            self._retry = None
        self._accepting = True
        self._loop.add_reader(self._fd, self._accept)

    def finish(self) -> None:
        """Accept the connections that are waiting already, then close: no client in the queue is
        turned away.
        """
        self.another_should_accept = _never
        turns = MOST_TURNS if self._accepting and self._sock.fileno() >= 0 else 0
        while turns and self._accept():
            turns -= 1
        self.close()

    def close(self) -> None:
        """Accept no more. Handshakes continue, and the socket stays open. Closing twice is
        harmless."""
        self.pause()
        self._closed = True
        if self._plain is not None:
            self._plain.poller.release()

    def abort(self) -> None:
        """Close, and cut off the connections that are still pending."""
        self.close()
        for task in self._pending:
            task.cancel()
        if self._farewells is not None:
            self._farewells.abort()

    def poller_descriptors(self) -> list[int]:
        """Return the descriptor of the poller, if there is one. A forked process must not have
        it: the two processes share the set, and either could change it."""
        fd = self._plain.poller.fd if self._plain is not None else -1
        return [fd] if fd >= 0 else []

    def _accept(self) -> bool:
        """Accept what one turn may; True when there may be more."""
        # A PROXY header is read before there is a transport.
        plain = self._plain if self._proxy_headers is None else None
        for _ in range(ACCEPTS_PER_TURN):
            if not self.may_accept(len(self._pending)):
                self.pause()
                return False
            if not self._has_waited and self.another_should_accept(len(self._pending)):
                self._wait_for_others()
                return False
            self._has_waited = False
            try:
                if plain is None:
                    conn, address = self._sock.accept()
                elif not plain.accept(self._protocol_factory):
                    return False
            except OSError as exc:
                if exc.errno not in NOTHING_TO_ACCEPT:
                    self._wait_for_resources(exc)
                return False
            if self._starved:
                self._starved = False
                logger.warning("accepting connections again")
            if plain is None:
                self._connect_soon(conn, address)
            if not self._accepting:
                return False
        return True

    def _connect_soon(self, conn: socket.socket, address: Any) -> None:
        """Make a transport in a task."""
        conn.setblocking(False)
        if self._proxy_headers is None:
            connecting = self._connect(self._protocol_factory, conn)
        else:
            connecting = self._connect_proxied(self._proxy_headers, conn, address)
        task = self._loop.create_task(connecting)
        self._pending.add(task)
        task.add_done_callback(partial(self._settle, conn, address))

    async def _connect_proxied(
        self, proxy_headers: "ProxyHeaders", conn: socket.socket, address: Any
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """Read the PROXY header, then continue as with every other connection."""
        proxied = await proxy_headers.read(conn, address)
        if proxied is None:
            return await self._connect(self._protocol_factory, conn)
        try:
            return await self._connect(partial(self._protocol_factory, proxied), conn)
        except OSError as error:
            # It is the client whose handshake fails; the proxy only passes on what it sends.
            raise _ProxiedError(proxied.client, error) from error

    def _settle(self, conn: socket.socket, address: Any, task: "asyncio.Task[Any]") -> None:
        """Forget a connection that has its transport; close one that came to nothing.

        Not a try around the call: a task cancelled before its first step runs no code of its own.
        """
        self._pending.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if isinstance(error, _ProxiedError):
                address, error = error.client, error.error
            self._report(address, error)
        if error is not None or task.cancelled():
            # Later, because the transport must first have taken its descriptor out of the loop.
            self._loop.call_soon(conn.close)

    def _report(self, address: Any, error: BaseException) -> None:
        """Say why a connection came to nothing, where its client may want to know."""
        if self._warn is not None and self._farewells is not None:
            from bascule.loop.handshake import why_failed

            why = why_failed(error)
            if why is not None:
                kind, reason = why
                who = address[0] if isinstance(address, tuple) else "a local client"
                self._warn(kind, f"the TLS handshake of {who} failed: {reason}")
                return
        # Not this server's fault, and there is no client to tell: it has left.
        logger.debug("a connection failed before it began: %r", error)

    def _wait_for_others(self) -> None:
        self.pause()
        self._has_waited = True
        self._retry = self._loop.call_later(GIVE_WAY, self.resume)

    def _wait_for_resources(self, exc: OSError) -> None:
        self.pause()
        self._retry = self._loop.call_later(RETRY_DELAY, self.resume)
        if not self._starved:
            self._starved = True
            logger.warning(_explain(exc))


class _ProxiedError(Exception):
    """The failure of a connection that a proxy passes on. client: as of ProxiedEnds."""

    def __init__(self, client: tuple[str, int] | None, error: OSError) -> None:
        super().__init__(str(error))
        self.client = client
        self.error = error


def _always(pending: int) -> bool:
    return True


def _never(pending: int) -> bool:
    return False


def _explain(exc: OSError) -> str:
    advice = ""
    if exc.errno == errno.EMFILE:
        advice = (
            " Raise the limit (ulimit -n, systemd: LimitNOFILE=) or lower --limit-connections."
        )
    return (
        f"cannot accept connections: {exc.strerror}. "
        f"New ones wait; trying again every {RETRY_DELAY} s.{advice}"
    )


def _ignore_broken_handshakes(loop: asyncio.AbstractEventLoop) -> None:
    """Keep clients that leave during the handshake out of the loop's error log.

    aiofastnet 1.2 reports a connection closed before its handshake (a port scan, a load balancer's
    check) to the loop's exception handler, with an exception class in place of an exception, which
    logging cannot print: forty lines of traceback for each. The handler that was there sees
    everything else.
    """
    previous = loop.get_exception_handler()
    if not isinstance(previous, _HandshakeFilter):
        loop.set_exception_handler(_HandshakeFilter(previous))


class _HandshakeFilter:
    def __init__(
        self, handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None
    ) -> None:
        self._handler = handler

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), type):
            return
        if self._handler is None:
            loop.default_exception_handler(context)
        else:
            self._handler(loop, context)
