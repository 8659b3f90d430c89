"""The two ends of a connection, as its transport names them."""

from typing import TYPE_CHECKING, Any

from bascule.interfaces.endpoint import Endpoint

if TYPE_CHECKING:
    from bascule.protocols.proxy import ProxiedEnds


def endpoint_of(transport: Any, proxied: "ProxiedEnds | None" = None) -> Endpoint:
    """The two ends of a connection, as ASGI and WSGI show them.

    proxied: what a PROXY header says of them, which then counts in place of the socket's.
    """
    peer = transport.get_extra_info("peername")
    own = transport.get_extra_info("sockname")
    client: tuple[str, int] | None = (peer[0], peer[1]) if isinstance(peer, tuple) else None
    server: tuple[str, int | None] | None = None
    if isinstance(own, tuple):
        server = (own[0], own[1])
    elif own:
        server = (str(own), None)
    is_local = client is None
    scheme = "http"
    if proxied is not None:
        client = proxied.client
        server = proxied.server or server
        is_local = False
        scheme = "https" if proxied.secure else "http"
    secured = transport.get_extra_info("ssl_object")
    if secured is None:
        return Endpoint(client, server, scheme, is_local=is_local)
    from bascule.sockets.tls import tls_environ, tls_extension

    return Endpoint(
        client, server, "https", tls_extension(secured), tls_environ(secured), is_local
    )


def printable_client(endpoint: Endpoint) -> str:
    """The client's address and port as logs have it, "" where there is none."""
    client = endpoint.client
    if client is None:
        return ""
    return f"{client[0]}:{client[1]}" if client[1] else client[0]


def printable_peer(endpoint: Endpoint) -> str:
    return printable_client(endpoint) or "a local client"
