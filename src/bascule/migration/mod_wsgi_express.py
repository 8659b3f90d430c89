"""Every option of `mod_wsgi-express start-server`."""

import re

from bascule.migration.conversions import (
    answered,
    application,
    converted,
    flag,
    items,
    log_level,
    whole,
    zero_is_none,
)
from bascule.migration.mod_wsgi import BUFFERS, alias, import_path
from bascule.migration.shapes import Outcome, Setting, Settings, Table

OWN_SERVER = "It is about the Apache that mod_wsgi-express starts; Bascule is the server itself."
LOG_FILES = (
    "Bascule writes its log to stderr and the access log to stdout, and no files: let the service "
    "manager keep them, or name files with `log_config`."
)
DEBUGGER = (
    "`bascule dev` restarts when files change; debuggers and profilers are the application's."
)
ACCESS = "Authentication belongs to the application or a proxy."
NEWRELIC = "Start it by `newrelic-admin run-program bascule serve`."
SLOW = "`timeout_request_head` and `limit_body_rate` are for slow clients."


def script(value: object, others: Settings) -> Outcome:
    kind = str(others.get("application-type", "script"))
    text = str(value)
    name = str(others.get("callable-object", "application"))
    if kind == "module":
        return application(text if ":" in text else f"{text}:{name}", others)
    module = re.sub(r"\.py$", "", text.removeprefix("./")).replace("/", ".")
    if kind != "script" or not re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", module):
        return Outcome(
            remark="Bascule imports a module: write `target` with its name, and `app_dir` with "
            "the "
            "directory that it is in. A file that ends in .wsgi needs the suffix .py."
        )
    if text.endswith(".wsgi"):
        return Outcome(
            remark="Bascule imports a module: give the file the suffix .py, and write `target`."
        )
    return Outcome({"target": f"{module}:{name}"})


def listening(value: object, others: Settings) -> Outcome:
    """All interfaces, unless a host is given; port 8000."""
    port = others.get("https-port") or others.get("port") or 8000
    return Outcome({"host": str(others.get("host") or "0.0.0.0"), "port": whole(port)})


def certificate(value: object, others: Settings) -> Outcome:
    return Outcome({"ssl_certfile": f"{value}.crt", "ssl_keyfile": f"{value}.key"})


def document_root(value: object, others: Settings) -> Outcome:
    return Outcome({"static": [f"/={value}"]})


def paths(value: object, others: Settings) -> Outcome:
    return import_path(":".join(str(one) for one in items(value, ":")), others)


def each(note: str, names: str, takes: str = "value") -> tuple[Setting, ...]:
    """Return options with one answer."""
    return tuple(
        answered(name, note, f"--{name}", takes="nothing", repeats=True)
        if takes == "nothing"
        else answered(name, note, f"--{name}", repeats=True)
        for name in names.split()
    )


SETTINGS: tuple[Setting, ...] = (
    converted("script", "target", by=script, note="As a module."),
    answered("application-type", "It decides how `target` is written.", "--application-type"),
    answered(
        "callable-object", "It is the part of `target` behind the colon.", "--callable-object"
    ),
    converted("host", "host", "--host", by=listening, note="All interfaces without it."),
    converted("port", "port", "--port", by=listening),
    converted("https-port", "port", "--https-port", "--ssl-port", by=listening),
    converted("ssl-certificate", "ssl_certfile", "--ssl-certificate", by=certificate),
    answered(
        "https-only",
        "With a certificate, all addresses have TLS; a proxy can redirect from port 80.",
        "--https-only",
        takes="nothing",
    ),
    *each("Bascule serves every host; Django has ALLOWED_HOSTS.", "server-name server-alias"),
    *each("Bascule serves every host.", "allow-localhost", "nothing"),
    converted("processes", "workers", "--processes"),
    converted("threads", "threads", "--threads", note="8 by default, not 5."),
    converted("max-clients", "limit_connections", "--max-clients"),
    *each(OWN_SERVER, "initial-workers minimum-spare-workers maximum-spare-workers"),
    converted("limit-request-body", "limit_request_body", "--limit-request-body"),
    converted("maximum-requests", "max_requests", "--maximum-requests"),
    converted("shutdown-timeout", "timeout_graceful_shutdown", "--shutdown-timeout"),
    converted("graceful-timeout", "timeout_graceful_shutdown", "--graceful-timeout"),
    converted("deadlock-timeout", "timeout", "--deadlock-timeout", by=zero_is_none("timeout")),
    *each("Idle workers stay; they cost memory only.", "inactivity-timeout"),
    converted(
        "request-timeout",
        "request_timeout",
        "--request-timeout",
        by=zero_is_none("request_timeout"),
        note="Ends the one request; none by default, not 60 s.",
    ),
    *each(OWN_SERVER, "connect-timeout"),
    *each("`timeout_write` is for a client that does not read.", "socket-timeout"),
    converted(
        "queue-timeout", "queue_timeout", "--queue-timeout", by=zero_is_none("queue_timeout")
    ),
    *each(
        SLOW,
        "header-timeout header-max-timeout header-min-rate body-timeout body-max-timeout "
        "body-min-rate",
    ),
    converted("server-backlog", "backlog", "--server-backlog"),
    *each(OWN_SERVER, "daemon-backlog"),
    *each(BUFFERS, "send-buffer-size receive-buffer-size header-buffer-size proxy-buffer-size"),
    converted(
        "reload-on-changes", "reload", "--reload-on-changes", by=flag("reload"), takes="nothing"
    ),
    converted("user", "user", "--user"),
    converted("group", "group", "--group"),
    *each("HEAD reaches the application as HEAD.", "map-head-to-get"),
    converted("document-root", "static", "--document-root", by=document_root, note="At /."),
    *each("`static_fallback` names a file for pages without one.", "directory-index"),
    converted("mount-point", "root_path", "--mount-point", note="Or `--mount`."),
    converted("url-alias", "static", "--url-alias", by=alias, takes="pair", repeats=True),
    answered(
        "error-document",
        "Error pages belong to the application or a proxy.",
        "--error-document",
        takes="pair",
        repeats=True,
    ),
    *each("Error pages belong to the application or a proxy.", "error-override", "nothing"),
    converted("keep-alive-timeout", "timeout_keep_alive", "--keep-alive-timeout"),
    *each(
        "Middleware of the application compresses, or a proxy.", "compress-responses", "nothing"
    ),
    *each("`bascule ctl status` shows the workers.", "server-metrics server-status", "nothing"),
    *each(ACCESS, "host-access-script auth-user-script auth-type auth-group-script auth-group"),
    *each(
        OWN_SERVER,
        "include-file envvars-script server-root server-mpm httpd-executable "
        "modules-directory mime-types rotatelogs-executable python-eggs",
    ),
    *each("Set LANG or LC_ALL where Bascule is started.", "lang locale"),
    answered(
        "setenv",
        "Set it where Bascule is started, or in the file that `env_file` names, and read it from "
        "os.environ.",
        "--setenv",
        takes="pair",
        repeats=True,
    ),
    *each("The application reads it from os.environ.", "passenv"),
    converted("working-directory", "app_dir", "--working-directory", note="The import path only."),
    converted("pid-file", "pid", "--pid-file"),
    *each(LOG_FILES, "log-directory max-log-size"),
    *each(LOG_FILES, "startup-log rotate-logs", "nothing"),
    answered(
        "log-to-terminal",
        LOG_FILES,
        "--log-to-terminal",
        takes="nothing",
        harmless=(True,),
    ),
    converted("log-level", "log_level", "--log-level", by=log_level),
    converted("access-log", "access_log", "--access-log", by=flag("access_log"), takes="nothing"),
    *each('The format is fixed; `log_format = "json"` is for programs.', "access-log-format"),
    converted("python-path", "app_dir", "--python-path", by=paths, repeats=True),
    answered("add-handler", OWN_SERVER, "--add-handler", takes="pair", repeats=True),
    *each("Bodies without a length always reach the application.", "chunked-request", "nothing"),
    *each(NEWRELIC, "with-newrelic with-newrelic-agent with-newrelic-platform", "nothing"),
    *each(NEWRELIC, "newrelic-config-file newrelic-environment"),
    *each(OWN_SERVER, "with-php5 enable-docs setup-only", "nothing"),
    *each(
        DEBUGGER,
        "debug-mode enable-debugger debugger-startup enable-coverage enable-profiler "
        "enable-recorder",
        "nothing",
    ),
    *each(DEBUGGER, "coverage-directory profiler-directory recorder-directory"),
)

TABLE = Table(
    "mod_wsgi-express",
    "mod_wsgi-express",
    SETTINGS,
    target="script",
    commands=("start-server", "setup-server"),
    defaults={
        "host": "mod_wsgi-express listens on all interfaces, Bascule on 127.0.0.1 unless "
        '`host = "0.0.0.0"` is written.',
        "request-timeout": "mod_wsgi-express ends requests after 60 s, Bascule none "
        "(`request_timeout`).",
        "threads": "mod_wsgi-express has 5 threads in each process, Bascule 8.",
    },
)
