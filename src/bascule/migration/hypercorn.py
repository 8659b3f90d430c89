"""Every setting of Hypercorn: the attributes of its Config, and its command line."""

from bascule.migration.conversions import (
    access_log,
    address,
    answered,
    application,
    client_certificates,
    converted,
    error_log,
    flag,
    items,
    log_level,
    mask,
    unchanged,
)
from bascule.migration.shapes import Outcome, Setting, Settings, Table

HTTP2_LIMIT = (
    "Bascule's limits of HTTP/2 are fixed and derived from its other limits; docs/limits.md has "
    "them."
)
STATSD = (
    "Bascule sends no metrics. `bascule ctl status` and the access log have numbers, and agents "
    "such as OpenTelemetry run in the application."
)
QUIC = "Bascule does not speak HTTP/3; a proxy can."
OWNER = (
    "It is the owner of UNIX sockets only. `user` and `group` change the user of the server; a "
    "socket unit of systemd has SocketUser=."
)


def bind(value: object, others: Settings) -> Outcome:
    found = list(dict.fromkeys(address(str(one)) for one in items(value)))
    return Outcome({"bind": found}) if found else Outcome(remark="An empty list needs no setting.")


def insecure_bind(value: object, others: Settings) -> Outcome:
    if not items(value):
        return Outcome(remark="An empty list needs no setting.")
    return Outcome(
        remark="With a certificate, all addresses of Bascule have TLS. Run a second Bascule "
        "without "
        "one, or let a proxy redirect."
    )


def worker_class(value: object, others: Settings) -> Outcome:
    word = str(value).rpartition(".")[2].lower()
    if word in ("asyncio", "uvloop"):
        return Outcome({"loop": word})
    return Outcome(
        remark="Bascule runs on asyncio, not on trio. An application that needs trio cannot be "
        "served."
    )


def log_config(value: object, others: Settings) -> Outcome:
    if value is None:
        return unchanged("log_config")(value, others)
    name = str(value)
    for prefix in ("json:", "toml:"):
        name = name.removeprefix(prefix)
    return Outcome({"log_config": name}, "The loggers are named bascule and bascule.access here.")


def ping_interval(value: object, others: Settings) -> Outcome:
    return Outcome({"ws_ping_interval": "none" if value is None else value})


def wsgi_target(value: object, others: Settings) -> Outcome:
    text = str(value)
    for prefix, interface in (("wsgi:", "wsgi"), ("asgi:", "asgi3")):
        if text.startswith(prefix):
            outcome = application(text.removeprefix(prefix), others)
            return Outcome({**outcome.values, "interface": interface}, outcome.remark)
    return application(value, others)


def max_requests(value: object, others: Settings) -> Outcome:
    return Outcome({"max_requests": 0 if value is None else value})


def server_names(value: object, others: Settings) -> Outcome:
    names = [str(one) for one in items(value)]
    if not names:
        return Outcome(remark="An empty list needs no setting.")
    target = others.get("application_path", "TARGET")
    mounts = ", ".join(f'"{name}={target}"' for name in names)
    return Outcome(
        remark=f"Bascule serves every host. To serve only these, write `mount = [{mounts}]` "
        f"without "
        "`target`; Django has ALLOWED_HOSTS."
    )


SETTINGS: tuple[Setting, ...] = (
    converted("application_path", "target", by=wsgi_target, note="wsgi: becomes `--interface`."),
    answered(
        "config",
        "Settings are in bascule.toml, or in the file that `--config` names; it is a TOML file.",
        "-c",
        "--config",
    ),
    converted("bind", "bind", "-b", "--bind", by=bind, repeats=True),
    Setting(
        "insecure_bind",
        ("--insecure-bind",),
        insecure_bind,
        "",
        "With a certificate, all addresses have TLS.",
        repeats=True,
    ),
    answered("quic_bind", QUIC, "--quic-bind", repeats=True),
    answered("alt_svc_headers", QUIC),
    converted(
        "accesslog",
        "access_log",
        "--access-logfile",
        "--access-log",
        by=access_log,
        note="Always to stdout, and on by default.",
    ),
    answered(
        "access_log_format",
        'The format of the access log is fixed; `log_format = "json"` gives all of it to '
        "programs.",
        "--access-logformat",
    ),
    answered(
        "alpn_protocols",
        "`http` chooses the versions of HTTP, and ALPN offers them.",
        harmless=(["h2", "http/1.1"], None),
    ),
    converted("backlog", "backlog", "--backlog"),
    converted("ca_certs", "ssl_ca_certs", "--ca-certs"),
    converted("certfile", "ssl_certfile", "--certfile"),
    answered(
        "ciphers",
        "The ciphers are those of the system's OpenSSL; for others, a proxy that ends TLS.",
        "--ciphers",
    ),
    converted("cert_reqs", "ssl_cert_reqs", "--cert-reqs", by=client_certificates),
    converted("verify_mode", "ssl_cert_reqs", "--verify-mode", by=client_certificates),
    answered("verify_flags", "Certificates are verified with the flags of Python's `ssl`."),
    answered(
        "daemon",
        "Workers always end with their supervisor.",
        "-D",
        "--daemon",
        takes="nothing",
        harmless=(True, False),
    ),
    converted("debug", "debug", "--debug", by=flag("debug"), takes="nothing"),
    answered("dogstatsd_tags", STATSD),
    Setting(
        "errorlog",
        ("--error-logfile", "--log-file", "--error-log"),
        error_log,
        "",
        "The log goes to stderr: redirect it, or name a file with `log_config`.",
    ),
    converted(
        "graceful_timeout",
        "timeout_graceful_shutdown",
        "--graceful-timeout",
        note="The default is 30 s, not 3.",
    ),
    answered(
        "read_timeout",
        "A request head has `timeout_request_head`, a body `limit_body_rate`, and an idle "
        "connection `timeout_keep_alive`.",
        "--read-timeout",
    ),
    answered("group", OWNER, "-g", "--group"),
    converted(
        "h11_max_incomplete_size",
        "limit_request_head",
        note="For the whole head.",
    ),
    answered("h11_pass_raw_headers", "ASGI has field names in lower case; Bascule keeps to that."),
    answered("h2_max_concurrent_streams", HTTP2_LIMIT),
    converted("h2_max_header_list_size", "limit_request_head", note="One limit for all versions."),
    answered("h2_max_inbound_frame_size", HTTP2_LIMIT),
    converted("include_date_header", "date_header", by=flag("date_header")),
    converted("include_server_header", "server_header", by=flag("server_header")),
    converted(
        "keep_alive_timeout",
        "timeout_keep_alive",
        "--keep-alive",
        note="The default is 75 s, longer than that of load balancers.",
    ),
    answered(
        "keep_alive_max_requests",
        "Bascule has no limit of requests for one connection.",
    ),
    converted("keyfile", "ssl_keyfile", "--keyfile"),
    converted("keyfile_password", "ssl_keyfile_password", "--keyfile-password"),
    converted(
        "logconfig",
        "log_config",
        "--log-config",
        by=log_config,
        note="The suffix tells the format; the loggers are named bascule.",
    ),
    answered(
        "logconfig_dict",
        "Write the dictionary into a .json or .toml file, and name it with `log_config`; the "
        "loggers are named bascule and bascule.access.",
    ),
    answered(
        "logger_class",
        "Bascule logs by the loggers bascule and bascule.access; `log_config` gives them "
        "handlers.",
    ),
    converted("loglevel", "log_level", "--log-level", by=log_level),
    answered(
        "max_app_queue_size",
        "Reading pauses when the application falls behind: at 128 KiB of a body, and at "
        "`ws_max_queue` messages of a WebSocket.",
    ),
    converted("max_requests", "max_requests", "--max-requests", by=max_requests),
    converted("max_requests_jitter", "max_requests_jitter", "--max-requests-jitter"),
    converted("pid_path", "pid", "-p", "--pid"),
    converted("root_path", "root_path", "--root-path"),
    Setting(
        "server_names",
        ("--server-name",),
        server_names,
        "mount",
        "A mount for each host, without TARGET.",
        repeats=True,
    ),
    answered(
        "shutdown_timeout",
        "The lifespan shutdown has the deadline of `timeout_graceful_shutdown`, once more.",
    ),
    answered(
        "ssl_handshake_timeout",
        "TLS handshakes have a fixed deadline; docs/limits.md has it.",
    ),
    answered("startup_timeout", "The lifespan startup may take as long as it needs."),
    answered("statsd_host", STATSD, "--statsd-host"),
    answered("statsd_prefix", STATSD, "--statsd-prefix"),
    converted(
        "umask",
        "umask",
        "-m",
        "--umask",
        by=mask,
        note="For all files, not only for UNIX sockets.",
    ),
    converted("use_reloader", "reload", "--reload", by=flag("reload"), takes="nothing"),
    answered("user", OWNER, "-u", "--user"),
    converted("websocket_max_message_size", "ws_max_size"),
    converted(
        "websocket_ping_interval",
        "ws_ping_interval",
        "--websocket-ping-interval",
        by=ping_interval,
        note="The default is 20 s, not none.",
    ),
    Setting(
        "worker_class",
        ("-k", "--worker-class"),
        worker_class,
        "loop",
        "asyncio or uvloop; trio is not available.",
    ),
    converted("workers", "workers", "-w", "--workers"),
    converted("wsgi_max_body_size", "limit_request_body", note="For all interfaces."),
)

TABLE = Table(
    "hypercorn",
    "Hypercorn",
    SETTINGS,
    target="application_path",
    defaults={
        "keep_alive_timeout": "Hypercorn keeps an idle connection for 5 s, Bascule for 75 s, "
        "longer "
        "than load balancers do.",
        "graceful_timeout": "Hypercorn waits 3 s for requests when it stops, Bascule 30 s.",
        "websocket_ping_interval": "Hypercorn sends no pings; Bascule sends one after 20 s of "
        "silence (`ws_ping_interval`).",
        "accesslog": "Hypercorn writes no access log unless it has a file; Bascule writes one to "
        "stdout. `access_log = false` turns it off.",
    },
)
