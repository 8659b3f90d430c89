"""What a transport tells of the two ends of its connection."""

from typing import Any

from bascule.interfaces.exchange import Endpoint

NOWHERE = Endpoint(None, None)


def endpoint_of(transport: Any) -> Endpoint:
    """The two ends of a connection, as ASGI and WSGI show them."""
    client = transport.get_extra_info("peername")
    server = transport.get_extra_info("sockname")
    ends: tuple[Any, Any] = (
        (client[0], client[1]) if isinstance(client, tuple) else None,
        (server[0], server[1])
        if isinstance(server, tuple)
        else (str(server), None)
        if server
        else None,
    )
    secured = transport.get_extra_info("ssl_object")
    if secured is None:
        return Endpoint(*ends)
    from bascule.sockets.tls import tls_environ, tls_extension

    return Endpoint(*ends, "https", tls_extension(secured), tls_environ(secured))


def printable_peer(endpoint: Endpoint) -> str:
    return f"{endpoint.client[0]}:{endpoint.client[1]}" if endpoint.client else "a local client"
