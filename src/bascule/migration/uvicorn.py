"""Every option of Uvicorn."""

from bascule.migration.conversions import (
    answered,
    application,
    client_certificates,
    converted,
    flag,
    log_level,
    number,
    only_if,
    trusted,
    unchanged,
)
from bascule.migration.shapes import Convert, Outcome, Setting, Settings, Table

RELOAD_FILES = "docs/howto/development.md says which files count; `reload_dir` names directories."
OTHER_ADDRESS = "Uvicorn listens on the socket alone; so does Bascule."


def tcp(to: str) -> Convert:
    """A part of the address, which is not used beside a socket."""
    return only_if(
        lambda others: others.get("uds") is None and others.get("fd") is None,
        unchanged(to),
        OTHER_ADDRESS,
    )


def lifespan(value: object, others: Settings) -> Outcome:
    return Outcome({"lifespan": value})


def ws(value: object, others: Settings) -> Outcome:
    if str(value) in ("none", "auto"):
        return Outcome({"ws": value})
    return Outcome(remark="Bascule has its own implementation of WebSocket; none turns it off.")


def http(value: object, others: Settings) -> Outcome:
    if value in ("auto", "httptools", "h11"):
        return Outcome(remark="Bascule has its own parser, and no other to choose.")
    return Outcome(
        remark="Bascule has one implementation of HTTP; the application needs no other."
    )


def loop(value: object, others: Settings) -> Outcome:
    if value in ("auto", "uvloop", "asyncio"):
        return Outcome({"loop": value})
    if value == "none":
        return Outcome({"loop": "asyncio"})
    return Outcome(remark="Bascule runs on uvloop or on asyncio's loop; others cannot be named.")


def http2(value: object, others: Settings) -> Outcome:
    return Outcome({"http": "auto"}) if value else Outcome({"http": "1"})


def healthcheck(value: object, others: Settings) -> Outcome:
    return Outcome({"timeout": max(number(value), 1)})


def ping(to: str) -> Convert:
    def convert(value: object, others: Settings) -> Outcome:
        return Outcome({to: "none" if value is None or number(value) == 0 else value})

    return convert


SETTINGS: tuple[Setting, ...] = (
    converted("app", "target", by=application),
    converted("host", "host", "--host", by=tcp("host")),
    converted("port", "port", "--port", by=tcp("port")),
    converted(
        "uds",
        "uds",
        "--uds",
        by=only_if(lambda others: others.get("fd") is None, unchanged("uds"), OTHER_ADDRESS),
    ),
    converted("fd", "fd", "--fd"),
    converted("reload", "reload", "--reload", by=flag("reload"), takes="nothing"),
    converted("reload_dirs", "reload_dir", "--reload-dir", repeats=True),
    answered("reload_includes", RELOAD_FILES, "--reload-include", repeats=True),
    answered("reload_excludes", RELOAD_FILES, "--reload-exclude", repeats=True),
    answered(
        "reload_delay",
        "Changes are collected for a moment, and the delay cannot be set.",
        "--reload-delay",
    ),
    converted("workers", "workers", "--workers", note="With a supervisor, also for 1."),
    converted("loop", "loop", "--loop", by=loop),
    Setting(
        "http",
        ("--http",),
        http,
        "",
        "Bascule has its own parser; `http` has the versions of HTTP.",
    ),
    Setting("http2", ("--http2",), http2, "http", "HTTP/2 is on by default.", takes="nothing"),
    converted("ws", "ws", "--ws", by=ws, note="Only `none` has an effect."),
    converted("ws_max_size", "ws_max_size", "--ws-max-size"),
    converted("ws_max_queue", "ws_max_queue", "--ws-max-queue"),
    converted(
        "ws_ping_interval", "ws_ping_interval", "--ws-ping-interval", by=ping("ws_ping_interval")
    ),
    converted(
        "ws_ping_timeout", "ws_ping_timeout", "--ws-ping-timeout", by=ping("ws_ping_timeout")
    ),
    converted(
        "ws_per_message_deflate",
        "ws_per_message_deflate",
        "--ws-per-message-deflate",
        by=flag("ws_per_message_deflate"),
        note="A flag: `--no-ws-per-message-deflate`.",
    ),
    converted("lifespan", "lifespan", "--lifespan", by=lifespan),
    converted("interface", "interface", "--interface"),
    converted("env_file", "env_file", "--env-file"),
    converted(
        "log_config",
        "log_config",
        "--log-config",
        note="The loggers are named bascule and bascule.access.",
    ),
    converted("log_level", "log_level", "--log-level", by=log_level),
    converted(
        "access_log",
        "access_log",
        "--access-log",
        by=flag("access_log"),
        takes="nothing",
    ),
    answered(
        "use_colors",
        "Log lines have no colours.",
        "--use-colors",
        takes="nothing",
    ),
    converted(
        "proxy_headers",
        "proxy_headers",
        "--proxy-headers",
        by=flag("proxy_headers"),
        takes="nothing",
        note="Fields of peers that are not trusted are dropped.",
    ),
    converted(
        "server_header",
        "server_header",
        "--server-header",
        by=flag("server_header"),
        takes="nothing",
    ),
    converted(
        "date_header", "date_header", "--date-header", by=flag("date_header"), takes="nothing"
    ),
    converted(
        "forwarded_allow_ips",
        "forwarded_allow_ips",
        "--forwarded-allow-ips",
        by=trusted,
        note="Clients of a UNIX socket are trusted only with `unix` or `*`.",
    ),
    converted("root_path", "root_path", "--root-path"),
    converted("limit_concurrency", "limit_concurrency", "--limit-concurrency"),
    converted("backlog", "backlog", "--backlog"),
    converted(
        "limit_max_requests",
        "max_requests",
        "--limit-max-requests",
        note="A worker is replaced before it leaves; that needs `workers`.",
    ),
    converted("limit_max_requests_jitter", "max_requests_jitter", "--limit-max-requests-jitter"),
    converted(
        "timeout_keep_alive",
        "timeout_keep_alive",
        "--timeout-keep-alive",
        note="The default is 75 s, longer than that of load balancers.",
    ),
    converted(
        "timeout_graceful_shutdown", "timeout_graceful_shutdown", "--timeout-graceful-shutdown"
    ),
    converted(
        "timeout_worker_healthcheck",
        "timeout",
        "--timeout-worker-healthcheck",
        by=healthcheck,
        note="For a blocked event loop; the default is 30 s.",
    ),
    converted("ssl_keyfile", "ssl_keyfile", "--ssl-keyfile"),
    converted("ssl_certfile", "ssl_certfile", "--ssl-certfile"),
    converted("ssl_keyfile_password", "ssl_keyfile_password", "--ssl-keyfile-password"),
    answered(
        "ssl_version",
        "TLS 1.2 and 1.3 are spoken; for others, a proxy that ends TLS.",
        "--ssl-version",
    ),
    converted("ssl_cert_reqs", "ssl_cert_reqs", "--ssl-cert-reqs", by=client_certificates),
    converted("ssl_ca_certs", "ssl_ca_certs", "--ssl-ca-certs"),
    answered(
        "ssl_ciphers",
        "The ciphers are those of the system's OpenSSL; for others, a proxy that ends TLS.",
        "--ssl-ciphers",
    ),
    converted("headers", "header", "--header", repeats=True),
    answered("version", "`bascule --version`.", "--version", takes="nothing"),
    converted("app_dir", "app_dir", "--app-dir"),
    converted(
        "h11_max_incomplete_event_size", "limit_request_head", "--h11-max-incomplete-event-size"
    ),
    answered(
        "reset_contextvars",
        "Each request runs in a task of its own, with its own context.",
        "--reset-contextvars",
        takes="nothing",
        harmless=(True, False),
    ),
    converted("factory", "factory", "--factory", by=flag("factory"), takes="nothing"),
)

TABLE = Table(
    "uvicorn",
    "Uvicorn",
    SETTINGS,
    target="app",
    defaults={
        "timeout_keep_alive": "Uvicorn keeps an idle connection for 5 s, Bascule for 75 s, longer "
        "than load balancers do.",
        "timeout_graceful_shutdown": "Uvicorn waits for requests without a limit when it stops; "
        "Bascule for 30 s.",
        "forwarded_allow_ips": "Both take client and scheme from proxies on the same machine. "
        "Bascule also drops such fields of other peers, and trusts clients of a UNIX socket only "
        'with `forwarded_allow_ips = ["unix"]`.',
    },
)
