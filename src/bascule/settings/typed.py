"""The options as keyword arguments, for type checkers and editors; never imported when running.

Made by `python -m bascule.settings.annotations`: change the declarations, not this file.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, TypedDict

ForwardedHeaders = Literal[
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "forwarded",
]


class Options(TypedDict, total=False):
    """The options of `serve` and `Server`, beside their own arguments."""

    target: str
    """The application: module:attribute, or a module with `application` or `app`."""

    mount: str | Sequence[str]
    """Serve another application below a path, on a host, or both: /api=api.asgi:app,
    shop.example.com=shop.wsgi, *.example.com/v1=main:app."""

    interface: Literal["auto", "asgi3", "asgi2", "wsgi", "asgi"]
    """How TARGET is called. Default: auto."""

    factory: bool
    """TARGET is a function without arguments that returns the application. Default: off."""

    app_dir: str
    """Look for the application in this directory first."""

    root_path: str
    """The path the application is mounted under: SCRIPT_NAME in WSGI, root_path in ASGI."""

    lifespan: Literal["auto", "on", "off"]
    """ASGI lifespan events. Default: auto."""

    asgi_extensions: str | Sequence[str]
    """The ASGI extensions that scopes announce. Default: http.response.trailers,
    http.response.early_hint, websocket.http.response, tls, bascule.stopping."""

    static: str | Sequence[str] | Mapping[str, str | PathLike[str]]
    """Serve the files of a directory below a path: /static=./staticfiles."""

    static_max_age: int
    """Seconds for which browsers use a file without asking again. Default: 60."""

    static_fallback: str | PathLike[str] | None
    """A file of the directory, such as index.html, for page loads whose path names no file:
    single-page applications. Default: none."""

    static_cache: int | str
    """Memory of each worker for small files, of each directory. Default: 16M."""

    static_cache_control: str | Sequence[str]
    """Cache-Control of files whose path below the directory matches a shell pattern: '*.html=no-
    cache'."""

    django_static: bool
    """Serve STATIC_ROOT of a Django project at STATIC_URL, once collectstatic has run. Default:
    on."""

    accel_redirect: str | Sequence[str] | Mapping[str, str | PathLike[str]]
    """Send files of a directory that the application names in its response, after it has checked
    who may have them: /protected=./private lets it answer with X-Accel-Redirect: /protected/FILE,
    or X-Sendfile and the absolute path."""

    static_symlinks: bool
    """Follow symbolic links that lead out of the directory. Default: off."""

    static_dot_files: bool
    """Serve files and directories whose names begin with a dot. Default: off."""

    bind: str | Sequence[str]
    """Listen here: HOST:PORT, unix:PATH or fd://N."""

    host: str
    """Listen on this host. Default: 127.0.0.1."""

    port: int
    """Listen on this port. Default: 8000."""

    uds: str | PathLike[str] | None
    """Listen on a UNIX socket at this path. Default: none."""

    fd: int | None
    """Listen on the inherited socket with this descriptor. Default: none."""

    backlog: int
    """Connections that wait in the kernel's queue until they are accepted. Default: 2048."""

    listen: str | Sequence[str]
    """Give connections that do not speak HTTP, and datagrams, to an ASGI application:
    tcp://HOST:PORT=TARGET, tls+tcp://HOST:PORT=TARGET, unix+tcp:PATH=TARGET, fd+tcp://N=TARGET,
    udp://HOST:PORT=TARGET or fd+udp://N=TARGET."""

    tcp_alpn: str | Sequence[str]
    """The protocols that tls+tcp:// offers in its TLS handshake, the preferred one first (ALPN,
    RFC 7301)."""

    timeout_tcp_idle: float | None
    """How long a TCP connection may pass without a byte in either direction. Default: 600."""

    limit_tcp_connections: int
    """Most open TCP connections, of all --listen together. Default: 5000."""

    config: str | PathLike[str] | None
    """Read settings from this file instead of bascule.toml or pyproject.toml. Default: none."""

    env_file: str | PathLike[str] | None
    """Read environment variables from this file, for these settings and for the application.
    Default: none."""

    threads: int
    """Threads that run a WSGI application. Default: 8."""

    websocket_threads: int
    """Open WebSockets of a WSGI application: each has a thread of its own, beside --threads.
    Default: 64."""

    loop: Literal["auto", "uvloop", "asyncio"]
    """The event loop. Default: auto."""

    user: str | int | None
    """Give up root for this user, by name or number, after opening sockets and certificate and
    before importing the application. Default: none."""

    group: str | int | None
    """The group to run as, by name or number. Default: none."""

    umask: int | str | None
    """Permissions that new files and UNIX sockets do not get, in octal: 0027. Default: none."""

    pid: str | PathLike[str] | None
    """Write the process ID into this file, and remove the file at the end. Default: none."""

    workers: int | Literal["auto"] | None
    """Serve with this many worker processes and a supervisor that watches them. Default: none."""

    preload: bool
    """Import the application once, in a process that forks the workers: they share its memory, and
    start at once. Default: off."""

    timeout: float | None
    """Seconds that the event loop of a worker may be blocked before the worker is replaced.
    Default: 30."""

    max_requests: int
    """Replace a worker that has served this many requests. Default: 0."""

    max_requests_jitter: int
    """Up to this many requests more, a different number for each worker, so that they are not
    replaced together. Default: 0."""

    workers_lifetime: float | None
    """Replace a worker that has served for this many seconds, or up to a tenth longer. Default:
    none."""

    workers_max_rss: int | None
    """Replace a worker that takes this many MiB of memory (its resident set). Default: none."""

    warm_up: str | None
    """Request this path from the application before accepting connections. Default: none."""

    on_worker_start: str | None
    """Call this function, module:function, in each worker, with the worker's process ID, after the
    application has been imported and before the worker accepts connections. Default: none."""

    on_worker_exit: str | None
    """Call this function, module:function, with the process ID of each worker that ends: in the
    worker or, if the worker was killed, in a process that the supervisor starts. Default: none."""

    health_bind: str | None
    """Answer /live and /ready here, from the supervisor and independently of the application:
    HOST:PORT or unix:PATH. Default: none."""

    control: str | PathLike[str] | None
    """A UNIX socket at this path, for `bascule ctl`. Default: none."""

    shutdown_delay: float
    """Seconds between SIGTERM and the drain, in which requests are served as before while load
    balancers notice. Default: 0."""

    reload: bool
    """Restart when a file changes. Default: off."""

    reload_dir: str | Sequence[str | PathLike[str]]
    """Watch this directory instead of the application's."""

    debug: bool
    """Check more of what the application does, at the cost of speed. Default: off."""

    access_log: bool
    """Write one line for each request. Default: on."""

    log_level: Literal["critical", "error", "warning", "info", "debug"]
    """The least severe messages that are written. Default: info."""

    log_format: Literal["text", "json"]
    """Log lines as text for people, or as JSON for programs. Default: text."""

    log_config: str | PathLike[str] | None
    """Configure Python's logging from this file: .json, .toml or .yaml for dictConfig, .ini or
    .conf for fileConfig. Default: none."""

    ssl_certfile: str | PathLike[str] | None
    """The certificate, with its chain, in PEM. Default: none."""

    ssl_keyfile: str | PathLike[str] | None
    """The private key in PEM, if the certificate's file does not have it. Default: none."""

    ssl_keyfile_password: str | None
    """The password of the private key. Default: none."""

    ssl_ca_certs: str | PathLike[str] | None
    """Certificates in PEM to check client certificates with. Default: none."""

    ssl_cert_reqs: Literal["none", "optional", "required", "0", "1", "2"]
    """Whether clients must show a certificate. Default: none."""

    timeout_keep_alive: float
    """How long a connection may stay idle between requests. Default: 75."""

    timeout_graceful_shutdown: float
    """How long requests may take to finish after SIGTERM or SIGINT. Default: 30."""

    timeout_request_head: float
    """How long a client may take to send a whole request head. Default: 30."""

    request_timeout: float | None
    """How long the application may take until its response begins. Default: none."""

    queue_timeout: float | None
    """How long a WSGI request may wait for a thread. Default: none."""

    loop_stall: float | None
    """Log what the event loop is doing and which requests are in flight when it has been blocked
    for this long, while it lasts. Default: 5."""

    timeout_write: float
    """How long a client may take no byte of a response. Default: 60."""

    limit_body_rate: int
    """Bytes per second that a request body must bring on average, after its first 30 s. Default:
    240."""

    limit_request_line: int
    """Longest request line. Default: 8190."""

    limit_request_fields: int
    """Most header fields in a request. Default: 100."""

    limit_request_head: int
    """Longest request line and header fields together. Default: 65536."""

    limit_request_body: int | None
    """Longest request body. Default: none."""

    limit_body_buffer: int
    """Longest request body without Content-Length that is collected in memory before a WSGI
    application is called, so that it gets a length. Default: 4194304."""

    limit_connections: int
    """Most open connections. Default: 10000."""

    limit_queue: int | None
    """Most WSGI requests that wait for a thread. Default: none."""

    limit_concurrency: int | None
    """Most requests at once. Default: none."""

    header_map: Literal["drop", "refuse", "dangerous"]
    """How header fields with an underscore in their name are treated. Default: drop."""

    proxy_headers: bool
    """Use forwarding headers from proxies you trust, and drop those of all other clients. Default:
    on."""

    forwarded_allow_ips: str | Sequence[str]
    """The trusted proxies: addresses, networks (10.0.0.0/8), unix for clients of a UNIX socket, *
    for all clients. Default: 127.0.0.1, ::1."""

    forwarded_headers: str | Sequence[ForwardedHeaders]
    """The fields that trusted proxies set. Default: x-forwarded-for, x-forwarded-proto."""

    proxy_protocol: bool
    """Connections from --proxy-allow-ips begin with a PROXY header, version 1 or 2, which names
    the client. Default: off."""

    proxy_allow_ips: str | Sequence[str]
    """The proxies that send PROXY headers, written as in --forwarded-allow-ips. Default:
    127.0.0.1, ::1."""

    header: str | Sequence[str | tuple[str | bytes, str | bytes]]
    """Add this field to every response: "Name: value"."""

    http: Literal["auto", "1", "2"]
    """The versions of HTTP that clients may use: 1 for HTTP/1.1, 2 for HTTP/2, auto for both.
    Default: auto."""

    server_header: bool
    """Send the Server field. Default: on."""

    date_header: bool
    """Send the Date field. Default: on."""

    ws: Literal["auto", "none", "websockets", "websockets-sansio", "wsproto"]
    """Whether the application gets WebSocket handshakes. Default: auto."""

    ws_max_size: int
    """Longest message a client may send, and longest frame. Default: 16777216."""

    ws_max_fragments: int
    """Most frames that one message may come in. Default: 1024."""

    ws_max_queue: int
    """Messages of one WebSocket that wait for the application before reading pauses. Default:
    32."""

    ws_ping_interval: float | None
    """Seconds of silence after which the server sends a ping. Default: 20."""

    ws_ping_timeout: float | None
    """Seconds that a client has to answer a ping. Default: 20."""

    ws_per_message_deflate: bool
    """Compress messages for clients that offer it (RFC 7692). Default: on."""


class AllOptions(Options, total=False):
    """The options of `Settings`."""

    websocket: str
    """The application for WebSockets, if TARGET does not handle them."""
