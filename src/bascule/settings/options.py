"""Every setting, in the order in which help and reference show them."""

from typing import Any, Literal

from bascule.address import DEFAULT_HOST, DEFAULT_PORT
from bascule.protocols.limits import RequestLimits, WebSocketLimits, default_of, why
from bascule.settings.kinds import (
    Account,
    Choice,
    Count,
    Flag,
    FunctionName,
    Listing,
    Mask,
    Maybe,
    Path,
    Seconds,
    Size,
    Text,
    Whole,
    Words,
)
from bascule.settings.option import Option
from bascule.settings.web_kinds import (
    AsgiExtensions,
    BindAddress,
    CacheControl,
    Host,
    Listener,
    Mount,
    PidPath,
    Port,
    RequestPath,
    ResponseField,
    RootPath,
    SocketPath,
    StaticDirectories,
    TrustedPeer,
)
from bascule.types import ANNOUNCED

APPLICATION = "Application"
STATIC = "Static files"
ADDRESS = "Address"
TCP = "TCP and UDP"
RUNNING = "Running"
PROCESSES = "Processes"
DEVELOPMENT = "Development"
LOGGING = "Logging"
TLS = "TLS"
DEADLINES = "Deadlines"
LIMITS = "Limits"
HTTP = "HTTP"
WEBSOCKET = "WebSocket"

InterfaceName = Literal["auto", "asgi3", "asgi2", "wsgi"]
LifespanMode = Literal["auto", "on", "off"]
Loop = Literal["auto", "uvloop", "asyncio"]
LogLevel = Literal["critical", "error", "warning", "info", "debug"]
LogFormat = Literal["text", "json"]
ClientCertificates = Literal["none", "optional", "required"]
HeaderMap = Literal["drop", "refuse", "dangerous"]
WebSockets = Literal["auto", "none"]
ForwardedHeader = Literal[
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "forwarded",
]
HttpVersions = Literal["auto", "1", "2"]

# A table of them is looked through now and then, and a person should be able to look through it.
MOST_WORKERS = 256
MAX_BACKLOG = 2**31 - 1  # listen(2) takes a C int


class Declared:
    """The table. A `Settings` object has attributes of these names and types."""

    target = Option(
        Text("TARGET"),
        "",
        APPLICATION,
        "The application: module:attribute, or a module with `application` or `app`; or the "
        "package of a Django project, which is served by both interfaces. Not needed where a "
        "manage.py is.",
    )
    mount = Option(
        Listing(Mount(), ","),
        (),
        APPLICATION,
        "Serve another application below a path, on a host, or both: /api=api.asgi:app, "
        "shop.example.com=shop.wsgi, *.example.com/v1=main:app. Each is called by its own "
        "interface. May be given several times; TARGET serves all other requests and may be "
        "left out.",
    )
    websocket = Option(
        Text("TARGET"),
        "",
        APPLICATION,
        "The application for WebSockets, if TARGET does not handle them; WebSockets below a "
        "mount go to the application there.",
    )
    interface = Option(
        Choice[InterfaceName](InterfaceName, synonyms={"asgi": "asgi3"}),
        "auto",
        APPLICATION,
        "How TARGET is called; auto detects it. asgi means asgi3.",
    )
    factory = Option(
        Flag(),
        False,
        APPLICATION,
        "TARGET is a function without arguments that returns the application.",
    )
    app_dir = Option(
        Text("DIRECTORY"),
        "",
        APPLICATION,
        "Look for the application in this directory first; empty for the current one.",
    )
    root_path = Option(
        RootPath(),
        "",
        APPLICATION,
        "The path the application is mounted under: SCRIPT_NAME in WSGI, root_path in ASGI.",
    )
    lifespan = Option(
        Choice[LifespanMode](LifespanMode),
        "auto",
        APPLICATION,
        "ASGI lifespan events; with auto the server continues without them if the "
        "application does not support them.",
    )
    asgi_extensions = Option(
        AsgiExtensions(),
        ANNOUNCED,
        APPLICATION,
        "The ASGI extensions that scopes announce. +NAME adds one to the default, for example "
        "+http.response.pathsend or +http.response.zerocopysend; -NAME removes one. Plain names "
        "replace the default, as do all and none.",
        reason="Frameworks send files by http.response.pathsend if it is announced, and "
        "middleware that compresses responses does not see these files.",
    )

    static = Option(
        StaticDirectories(),
        (),
        STATIC,
        "Serve the files of a directory below a path: /static=./staticfiles; /=./dist serves them "
        "in front of the application, which gets every path without a file. May be given several "
        "times; TARGET may be left out.",
    )
    static_max_age = Option(
        Whole(0, metavar="SECONDS"),
        60,
        STATIC,
        "Seconds for which browsers use a file without asking again. 0 has them ask each time. "
        "Files whose names contain a hash of their content are kept for a year.",
        reason="A page and its style sheets should not stay at different releases for long.",
    )
    static_fallback = Option(
        Maybe(Path("FILE")),
        None,
        STATIC,
        "A file of the directory, such as index.html, for page loads whose path names no file: "
        "single-page applications.",
    )
    static_cache = Option(
        Size(),
        16 * 1024 * 1024,
        STATIC,
        "Memory of each worker for small files, of each directory.",
        reason="The style sheets and scripts of most sites fit into it.",
    )
    static_cache_control = Option(
        Listing(CacheControl(), ";"),
        (),
        STATIC,
        "Cache-Control of files whose path below the directory matches a shell pattern: "
        "'*.html=no-cache'. May be given several times; the first that matches counts.",
    )
    django_static = Option(
        Flag(),
        True,
        STATIC,
        "Serve STATIC_ROOT of a Django project at STATIC_URL, once collectstatic has run; not "
        "with DEBUG, nor where WhiteNoise does.",
    )
    accel_redirect = Option(
        StaticDirectories(),
        (),
        STATIC,
        "Send files of a directory that the application names in its response, after it has "
        "checked who may have them: /protected=./private lets it answer with X-Accel-Redirect: "
        "/protected/FILE, or X-Sendfile and the absolute path. Clients cannot ask for them.",
    )
    static_symlinks = Option(
        Flag(),
        False,
        STATIC,
        "Follow symbolic links that lead out of the directory. Within it they are followed.",
    )
    static_dot_files = Option(
        Flag(),
        False,
        STATIC,
        "Serve files and directories whose names begin with a dot. /.well-known is always served.",
    )

    bind = Option(
        Listing(BindAddress(), ","),
        (),
        ADDRESS,
        "Listen here: HOST:PORT, unix:PATH or fd://N. May be given several times.",
        short="-b",
    )
    host = Option(
        Host(), DEFAULT_HOST, ADDRESS, "Listen on this host; 0.0.0.0 for all interfaces."
    )
    port = Option(
        Port(),
        DEFAULT_PORT,
        ADDRESS,
        "Listen on this port; 0 lets the system choose a free one.",
        aliases=("PORT",),
    )
    uds = Option(
        Maybe(SocketPath()),
        None,
        ADDRESS,
        "Listen on a UNIX socket at this path. @NAME is an abstract socket, without a file.",
    )
    fd = Option(
        Maybe(Whole()), None, ADDRESS, "Listen on the inherited socket with this descriptor."
    )
    backlog = Option(
        Whole(1, MAX_BACKLOG),
        2048,
        ADDRESS,
        "Connections that wait in the kernel's queue until they are accepted.",
        reason="Enough for a second of arrivals at a busy site; Linux lowers it to "
        "net.core.somaxconn.",
    )

    listen = Option(
        Listing(Listener(), ","),
        (),
        TCP,
        "Give connections that do not speak HTTP, and datagrams, to an ASGI application: "
        "tcp://HOST:PORT=TARGET, tls+tcp://HOST:PORT=TARGET, unix+tcp:PATH=TARGET, "
        "fd+tcp://N=TARGET, udp://HOST:PORT=TARGET or fd+udp://N=TARGET. Without =TARGET the main "
        "application gets them, as scopes of the type tcp or udp. May be given several times.",
    )
    tcp_alpn = Option(
        Words(Text("NAME"), ","),
        (),
        TCP,
        "The protocols that tls+tcp:// offers in its TLS handshake, the preferred one first "
        "(ALPN, RFC 7301).",
    )
    timeout_tcp_idle = Option(
        Maybe(Seconds(0.001)),
        600.0,
        TCP,
        "How long a TCP connection may pass without a byte in either direction. none for no "
        "limit.",
        reason="Devices that report at all do so within ten minutes; a client that has vanished "
        "is found out, and its connection freed.",
    )
    limit_tcp_connections = Option(
        Whole(1),
        5_000,
        TCP,
        "Most open TCP connections, of all --listen together. More wait in the kernel's queue.",
        reason="Half of --limit-connections, which they count towards: clients that hold "
        "connections open for days leave room for HTTP.",
    )

    config = Option(
        Maybe(Path("FILE")),
        None,
        RUNNING,
        "Read settings from this file instead of bascule.toml or pyproject.toml.",
        in_file=False,
    )
    env_file = Option(
        Maybe(Path("FILE")),
        None,
        RUNNING,
        "Read environment variables from this file, for these settings and for the application.",
    )
    threads = Option(
        Whole(0),
        8,
        RUNNING,
        "Threads that run a WSGI application; the ASGI side of a Django project has as many "
        "more. 0 runs WSGI on the event loop's own thread, one request at a time: fastest "
        "for short work that never waits, wrong for everything else.",
        reason="Requests that wait for a database overlap, and memory stays small.",
    )
    websocket_threads = Option(
        Whole(0),
        64,
        RUNNING,
        "Open WebSockets of a WSGI application: each has a thread of its own, beside "
        "--threads. Past it: 503. 0 for none.",
        reason="An idle thread costs some tens of kilobytes; for many more WebSockets use ASGI.",
    )
    loop = Option(
        Choice[Loop](Loop),
        "auto",
        RUNNING,
        "The event loop; auto uses uvloop where it is installed.",
    )

    user = Option(
        Maybe(Account("USER"), nothing=""),
        None,
        RUNNING,
        "Give up root for this user, by name or number, after opening sockets and "
        "certificate and before importing the application.",
        short="-u",
    )
    group = Option(
        Maybe(Account("GROUP"), nothing=""),
        None,
        RUNNING,
        "The group to run as, by name or number; by default that of --user.",
        short="-g",
    )
    umask = Option(
        Maybe(Mask()),
        None,
        RUNNING,
        "Permissions that new files and UNIX sockets do not get, in octal: 0027. By default "
        "that of the process that starts the server.",
        short="-m",
    )
    pid = Option(
        Maybe(PidPath()),
        None,
        RUNNING,
        "Write the process ID into this file, and remove the file at the end.",
        short="-p",
    )

    workers = Option(
        Maybe(Count(MOST_WORKERS)),
        None,
        PROCESSES,
        "Serve with this many worker processes and a supervisor that watches them; auto for "
        "one per processor. none for a single process without a supervisor.",
        short="-w",
        aliases=("WEB_CONCURRENCY",),
        reason="A container or a systemd unit has its own supervisor, and one process takes half "
        "the memory of two.",
    )
    preload = Option(
        Flag(),
        False,
        PROCESSES,
        "Import the application once, in a process that forks the workers: they share its "
        "memory, and start at once. SIGHUP still loads new code.",
        reason="Connections and threads that an application opens while it is imported do not "
        "survive being shared; only its author knows.",
    )
    timeout = Option(
        Maybe(Seconds(1)),
        30.0,
        PROCESSES,
        "Seconds that the event loop of a worker may be blocked before the worker is "
        "replaced; its stacks are logged first. none for no limit. Requests in threads do "
        "not count.",
        short="-t",
        reason="Gunicorn's number. A blocked loop serves no request.",
    )
    max_requests = Option(
        Whole(0),
        0,
        PROCESSES,
        "Replace a worker that has served this many requests; 0 for never.",
        reason="For applications whose memory grows; others do not need it.",
    )
    max_requests_jitter = Option(
        Whole(0),
        0,
        PROCESSES,
        "Up to this many requests more, a different number for each worker, so that they are "
        "not replaced together.",
    )
    workers_lifetime = Option(
        Maybe(Seconds(1)),
        None,
        PROCESSES,
        "Replace a worker that has served for this many seconds, or up to a tenth longer. "
        "none for never.",
    )
    workers_max_rss = Option(
        Maybe(Whole(1, metavar="MIB")),
        None,
        PROCESSES,
        "Replace a worker that takes this many MiB of memory (its resident set). none for never.",
    )
    warm_up = Option(
        Maybe(RequestPath()),
        None,
        PROCESSES,
        "Request this path from the application before accepting connections; the worker "
        "serves once it has answered with a status below 500.",
    )
    on_worker_start = Option(
        Maybe(FunctionName()),
        None,
        PROCESSES,
        "Call this function, module:function, in each worker, with the worker's process ID, after "
        "the application has been imported and before the worker accepts connections.",
    )
    on_worker_exit = Option(
        Maybe(FunctionName()),
        None,
        PROCESSES,
        "Call this function, module:function, with the process ID of each worker that ends: "
        "in the worker or, if the worker was killed, in a process that the supervisor "
        "starts.",
    )
    health_bind = Option(
        Maybe(BindAddress()),
        None,
        PROCESSES,
        "Answer /live and /ready here, from the supervisor and independently of the "
        "application: HOST:PORT or unix:PATH.",
    )
    control = Option(
        Maybe(SocketPath()),
        None,
        PROCESSES,
        "A UNIX socket at this path, for `bascule ctl`; only this user may use it.",
    )
    shutdown_delay = Option(
        Seconds(),
        0.0,
        PROCESSES,
        "Seconds between SIGTERM and the drain, in which requests are served as before while "
        "load balancers notice.",
        reason="A load balancer that checks readiness every few seconds needs as many; without "
        "one there is nothing to wait for.",
    )

    reload = Option(Flag(), False, DEVELOPMENT, "Restart when a file changes. Not for production.")
    reload_dir = Option(
        Listing(Path("DIRECTORY"), ","),
        (),
        DEVELOPMENT,
        "Watch this directory instead of the application's. May be given several times.",
    )
    debug = Option(
        Flag(),
        False,
        DEVELOPMENT,
        "Check more of what the application does, at the cost of speed.",
    )

    access_log = Option(Flag(), True, LOGGING, "Write one line for each request.")
    log_level = Option(
        Choice[LogLevel](LogLevel),
        "info",
        LOGGING,
        "The least severe messages that are written.",
    )
    log_format = Option(
        Choice[LogFormat](LogFormat),
        "text",
        LOGGING,
        "Log lines as text for people, or as JSON for programs.",
    )
    log_config = Option(
        Maybe(Path("FILE")),
        None,
        LOGGING,
        "Configure Python's logging from this file: .json, .toml or .yaml for dictConfig, .ini or "
        ".conf for fileConfig.",
    )

    ssl_certfile = Option(
        Maybe(Path("FILE")), None, TLS, "The certificate, with its chain, in PEM. Turns TLS on."
    )
    ssl_keyfile = Option(
        Maybe(Path("FILE")),
        None,
        TLS,
        "The private key in PEM, if the certificate's file does not have it.",
    )
    ssl_keyfile_password = Option(
        Maybe(Text("PASSWORD"), nothing=""),
        None,
        TLS,
        "The password of the private key. Better in BASCULE_SSL_KEYFILE_PASSWORD, where `ps` "
        "does not show it.",
        secret=True,
    )
    ssl_ca_certs = Option(
        Maybe(Path("FILE")),
        None,
        TLS,
        "Certificates in PEM to check client certificates with.",
    )
    ssl_cert_reqs = Option(
        Choice[ClientCertificates](
            ClientCertificates, synonyms={"0": "none", "1": "optional", "2": "required"}
        ),
        "none",
        TLS,
        "Whether clients must show a certificate. 0, 1 and 2 mean the same three.",
    )

    timeout_keep_alive = Option(
        Seconds(),
        75.0,
        DEADLINES,
        "How long a connection may stay idle between requests.",
        reason="Longer than the 60 s of common load balancers, so that they close first and never "
        "send a request into a connection that is being closed.",
    )
    timeout_graceful_shutdown = Option(
        Seconds(),
        30.0,
        DEADLINES,
        "How long requests may take to finish after SIGTERM or SIGINT.",
        reason="Kubernetes waits as long before it kills.",
    )
    timeout_request_head = Option(
        Seconds(0.001),
        30.0,
        DEADLINES,
        "How long a client may take to send a whole request head.",
        reason="A head is a few packets; a client that needs longer holds connections open on "
        "purpose.",
    )
    request_timeout = Option(
        Maybe(Seconds(0.001)),
        None,
        DEADLINES,
        "How long the application may take until its response begins. Past it: 504, and the "
        "call is ended. Unlike with Gunicorn's --timeout, the worker and its other requests "
        "continue. none for no limit.",
        reason="Only the application knows how long its work takes. A response that has begun, "
        "such as a stream of events, may last.",
    )
    queue_timeout = Option(
        Maybe(Seconds(0.001)),
        None,
        DEADLINES,
        "How long a WSGI request may wait for a thread. Past it: 503 instead of being run. none "
        "for no limit.",
        reason="Whether a late response is better than none depends on the client; people wait "
        "for about 30 s.",
    )
    loop_stall = Option(
        Maybe(Seconds(0.05)),
        5.0,
        DEADLINES,
        "Log what the event loop is doing and which requests are in flight when it has been "
        "blocked for this long, while it lasts. With --debug: 0.1 s. none for never.",
        reason="No connection is served meanwhile, and load balancers begin to take the server "
        "out.",
    )
    timeout_write = Option(
        Seconds(0.001),
        60.0,
        DEADLINES,
        "How long a client may take no byte of a response.",
        reason="A sleeping phone is back within a minute; a client that never reads would keep a "
        "thread forever.",
    )

    limit_body_rate = Option(
        Whole(0, metavar="BYTES"),
        240,
        LIMITS,
        "Bytes per second that a request body must bring on average, after its first 30 s; 0 "
        "for no minimum.",
        reason="Far below the slowest mobile link; without it a body sent byte by byte "
        "occupies a thread for days.",
    )
    limit_request_line = Option(
        Whole(64, metavar="BYTES"),
        default_of(RequestLimits, "request_line"),
        LIMITS,
        "Longest request line. Past it: 414.",
        reason=why(RequestLimits, "request_line"),
    )
    limit_request_fields = Option(
        Whole(1),
        default_of(RequestLimits, "fields"),
        LIMITS,
        "Most header fields in a request. Past it: 431.",
        reason=why(RequestLimits, "fields"),
    )
    limit_request_head = Option(
        Whole(256, metavar="BYTES"),
        default_of(RequestLimits, "head"),
        LIMITS,
        "Longest request line and header fields together. Past it: 431.",
        reason=why(RequestLimits, "head"),
    )
    limit_request_body = Option(
        Maybe(Whole(0, metavar="BYTES")),
        default_of(RequestLimits, "body"),
        LIMITS,
        "Longest request body. Past it: 413. none for no limit.",
        reason=why(RequestLimits, "body"),
    )
    limit_body_buffer = Option(
        Whole(0, metavar="BYTES"),
        4_194_304,
        LIMITS,
        "Longest request body without Content-Length that is collected in memory before a "
        "WSGI application is called, so that it gets a length. A longer body is passed on as "
        "it arrives, except to Django and Bottle, which would treat it as empty: they are "
        "not called, and the client gets 413. 0 collects no bodies.",
        reason="Most WSGI applications read as many bytes as CONTENT_LENGTH says. Forms and JSON "
        "are smaller than this; Bascule writes no file for larger bodies.",
    )
    limit_connections = Option(
        Whole(1),
        10_000,
        LIMITS,
        "Most open connections. More wait in the kernel's queue.",
        reason="Memory for idle connections stays bounded; raise the process's descriptor limit "
        "with it.",
    )
    limit_queue = Option(
        Maybe(Whole(1)),
        None,
        LIMITS,
        "Most WSGI requests that wait for a thread. Past it: 503 at once. none for as many as "
        "--limit-connections.",
        reason="An HTTP/1.1 client has one request at a time, so the default turns none away, and "
        "HTTP/2 clients cannot queue more requests than that. Waiting requests cost memory, and a "
        "late response is often worth nothing: see --queue-timeout.",
    )
    limit_concurrency = Option(
        Maybe(Whole(1)),
        None,
        LIMITS,
        "Most requests at once. Past it: 503. none for no limit.",
        reason="The right number depends on the application and on the proxy in front of it.",
    )

    header_map = Option(
        Choice[HeaderMap](HeaderMap),
        "drop",
        HTTP,
        "How header fields with an underscore in their name are treated.",
        reason="In WSGI's environ X_User and X-User are the same key, so a client could forge a "
        "field that a proxy sets; drop removes them, refuse answers 400, dangerous lets them "
        "through.",
    )
    proxy_headers = Option(
        Flag(),
        True,
        HTTP,
        "Use forwarding headers from proxies you trust, and drop those of all other clients. "
        "Off: all of them reach the application unchanged.",
    )
    forwarded_allow_ips = Option(
        Words(TrustedPeer(), ","),
        ("127.0.0.1", "::1"),
        HTTP,
        "The trusted proxies: addresses, networks (10.0.0.0/8), unix for clients of a UNIX "
        "socket, * for all clients.",
        reason="A proxy on the same machine; any other could be a client.",
        aliases=("FORWARDED_ALLOW_IPS",),
    )
    forwarded_headers = Option(
        Words(Choice[ForwardedHeader](ForwardedHeader), ","),
        ("x-forwarded-for", "x-forwarded-proto"),
        HTTP,
        "The fields that trusted proxies set. Name only those that your proxy sets itself in "
        "every request.",
        reason="A proxy passes on fields that it does not set, and then their values come from "
        "the client.",
    )
    proxy_protocol = Option(
        Flag(),
        False,
        HTTP,
        "Connections from --proxy-allow-ips begin with a PROXY header, version 1 or 2, which "
        "names the client.",
    )
    proxy_allow_ips = Option(
        Words(TrustedPeer(), ","),
        ("127.0.0.1", "::1"),
        HTTP,
        "The proxies that send PROXY headers, written as in --forwarded-allow-ips.",
        reason="A proxy on the same machine; any other could be a client.",
    )
    header = Option(
        Listing(ResponseField(), "\n"),
        (),
        HTTP,
        'Add this field to every response: "Name: value". May be given several times.',
    )
    http = Option(
        Choice[HttpVersions](HttpVersions),
        "auto",
        HTTP,
        "The versions of HTTP that clients may use: 1 for HTTP/1.1, 2 for HTTP/2, auto for "
        "both. Over TLS the client chooses (ALPN); without TLS, HTTP/2 is for clients that "
        "begin with it.",
    )
    server_header = Option(Flag(), True, HTTP, "Send the Server field.")
    date_header = Option(Flag(), True, HTTP, "Send the Date field.")

    ws = Option(
        Choice[WebSockets](
            WebSockets,
            synonyms={"websockets": "auto", "websockets-sansio": "auto", "wsproto": "auto"},
        ),
        "auto",
        WEBSOCKET,
        "Whether the application gets WebSocket handshakes; with none they are served as the "
        "plain requests that they also are. The names of Uvicorn's libraries mean auto.",
    )
    ws_max_size = Option(
        Whole(1, metavar="BYTES"),
        default_of(WebSocketLimits, "message"),
        WEBSOCKET,
        "Longest message a client may send, and longest frame. Past it: close code 1009.",
        reason=why(WebSocketLimits, "message"),
    )
    ws_max_fragments = Option(
        Whole(1),
        default_of(WebSocketLimits, "fragments"),
        WEBSOCKET,
        "Most frames that one message may come in. Past it: close code 1009.",
        reason=why(WebSocketLimits, "fragments"),
    )
    ws_max_queue = Option(
        Whole(1),
        32,
        WEBSOCKET,
        "Messages of one WebSocket that wait for the application before reading pauses; 128 "
        "KiB of them pause it too.",
        reason="Uvicorn's number.",
    )
    ws_ping_interval = Option(
        Maybe(Seconds(0.001)),
        20.0,
        WEBSOCKET,
        "Seconds of silence after which the server sends a ping. none for never.",
        reason="Below the 60 s after which proxies drop idle connections.",
    )
    ws_ping_timeout = Option(
        Maybe(Seconds(0.001)),
        20.0,
        WEBSOCKET,
        "Seconds that a client has to answer a ping; after that its connection is aborted. "
        "none for no limit: a silent client gets another ping after each interval.",
        reason="A phone that changes networks takes a while.",
    )
    ws_per_message_deflate = Option(
        Flag(),
        True,
        WEBSOCKET,
        "Compress messages for clients that offer it (RFC 7692).",
    )


OPTIONS: dict[str, Option[Any]] = {
    name: option for name, option in vars(Declared).items() if isinstance(option, Option)
}

# The settings that a short help shows.
COMMON = frozenset(
    {
        "factory",
        "app_dir",
        "bind",
        "port",
        "config",
        "env_file",
        "threads",
        "workers",
        "reload",
        "log_level",
        "ssl_certfile",
        "ssl_keyfile",
    }
)


def in_short(option: Option[Any]) -> str:
    """Return the beginning of a setting's help: the thing, without how and why."""
    return option.help.replace(";", ".").partition(". ")[0].removesuffix(".")
