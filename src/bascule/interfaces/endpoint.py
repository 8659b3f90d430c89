"""The two ends of a connection, as an application may know them."""


class Endpoint:
    """The client's end of a connection and the server's.

    Made once for each connection, and once more for each request whose trusted proxies name other
    ends.

    client: (host, port) as ASGI and WSGI show it, or None. The port is 0 where a proxy does not
        tell it.
    server: the same for the server; (path, None) for a UNIX socket.
    is_local: the other end is a UNIX socket of this machine.
    scheme: "http" or "https".
    tls: the content of the ASGI `tls` extension, or None on cleartext.
    tls_environ: the SSL_* variables of WSGI.
    environ: kept here by the WSGI interface between requests.
    client_name: the client as the access log shows it, kept in the same way.
    """

    __slots__ = (
        "client",
        "client_name",
        "environ",
        "is_local",
        "scheme",
        "server",
        "tls",
        "tls_environ",
    )

    def __init__(
        self,
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
        scheme: str = "http",
        tls: dict[str, object] | None = None,
        tls_environ: dict[str, str] | None = None,
        is_local: bool = False,
    ) -> None:
        self.client = client
        self.server = server
        self.scheme = scheme
        self.tls = tls
        self.tls_environ = tls_environ
        self.is_local = is_local
        self.environ: dict[str, object] | None = None
        self.client_name: str | None = None
