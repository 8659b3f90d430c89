"""The fields of proxies: used or dropped, before an interface sees the request.

From a peer that is not trusted nothing of them reaches the application, however it is spelled:
a client could say anything with them. From a trusted proxy they do, and those that are to be
used change the request itself: its two ends (`Request.endpoint`), its Host field, its root
path. Both interfaces, and the access log, see the same, because it happens below them.

Believed is all or nothing. Where the fields contradict each other or are malformed, the
application gets none of them and no client's address either: with the proxy's, which is often
127.0.0.1, it could take a stranger for a friend.
"""

from collections.abc import Callable, Iterable

from bascule.connections.transport_info import printable_peer
from bascule.interfaces.endpoint import Endpoint
from bascule.protocols.events import Request
from bascule.protocols.forwarded import (
    Forwarded,
    ForwardedError,
    ForwardedReader,
    split_host,
)
from bascule.protocols.headers import is_forwarding
from bascule.protocols.peers import TrustedPeers

DEFAULT_PORTS = {"http": 80, "https": 443}


class ProxyFields:
    """Uses or drops the fields of proxies; one for a worker.

    trusted: the proxies.
    names: of the fields that are used if they come from them.
    warn:
    as of a hub.
    """

    def __init__(
        self, trusted: TrustedPeers, names: Iterable[bytes], warn: Callable[[str, str], None]
    ) -> None:
        self.trusted = trusted
        self.reader = ForwardedReader(names, trusted)
        self.warn = warn

    def look(self, request: Request, endpoint: Endpoint) -> None:
        """Judge the fields of a request that came over the connection of `endpoint`. Never
        raises."""
        if not self.trusts(endpoint):
            self.drop(request, endpoint)
            return
        respelled = [name for name, _ in request.fields if b"_" in name and is_forwarding(name)]
        if respelled:
            # No proxy writes underscores, and in an environ these would be added to what it has
            # set.
            request.fields = [field for field in request.fields if field[0] not in respelled]
        try:
            told = self.reader.read(request.fields)
        except ForwardedError as error:
            self.warn(
                "forwarded",
                f"{printable_peer(endpoint)}: fields of a proxy that cannot be used: {error}",
            )
            request.fields = [field for field in request.fields if not is_forwarding(field[0])]
            request.endpoint = seen(endpoint, None, endpoint.server, endpoint.scheme)
            return
        if told is not None:
            believe(told, request, endpoint)

    def trusts(self, endpoint: Endpoint) -> bool:
        """Whether the other end of a connection is one of the proxies."""
        client = endpoint.client
        if client is None:
            return self.trusted.unix and endpoint.is_local
        return self.trusted.includes(client[0])

    def drop(self, request: Request, endpoint: Endpoint) -> None:
        """Take everything of it out of the request."""
        kept = [field for field in request.fields if not is_forwarding(field[0])]
        if len(kept) < len(request.fields):
            dropped = next(name for name, _ in request.fields if is_forwarding(name))
            request.fields = kept
            self.warn(
                "not trusted",
                f"{printable_peer(endpoint)} is no trusted proxy (--forwarded-allow-ips): "
                f"{dropped.decode('ascii')} and fields like it are dropped",
            )


def believe(told: Forwarded, request: Request, endpoint: Endpoint) -> None:
    """Make the request what it was before the proxies."""
    scheme = told.scheme or endpoint.scheme
    server = endpoint.server
    if told.host or told.port:
        server = believe_host(told, request, endpoint, scheme)
    client = told.client if told.names_client else endpoint.client
    request.endpoint = seen(endpoint, client, server, scheme)
    request.root_path = told.prefix


def believe_host(
    told: Forwarded, request: Request, endpoint: Endpoint, scheme: str
) -> tuple[str, int | None] | None:
    """Set the Host field; returns the server's name and port. A port that the scheme has anyway is
    left out of the field, as clients do."""
    host = told.host or next((value for name, value in request.fields if name == b"host"), b"")
    name, own_port = split_host(host)
    port = told.port or own_port or DEFAULT_PORTS[scheme]
    if not host:
        # Only HTTP/1.0 has requests without one.
        return (endpoint.server[0] if endpoint.server else "localhost"), port
    if told.port:
        host = name if port == DEFAULT_PORTS[scheme] else b"%b:%d" % (name, port)
    rest = [field for field in request.fields if field[0] != b"host"]
    request.fields = [(b"host", host), *rest]
    return name.decode("ascii").strip("[]"), port


def seen(
    endpoint: Endpoint,
    client: tuple[str, int] | None,
    server: tuple[str, int | None] | None,
    scheme: str,
) -> Endpoint:
    """The ends of a request beside those of its connection, to whose TLS nothing is added."""
    return Endpoint(client, server, scheme, endpoint.tls, endpoint.tls_environ)
