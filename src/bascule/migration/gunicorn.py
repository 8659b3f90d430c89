"""Every setting of Gunicorn (`gunicorn.config.KNOWN_SETTINGS`)."""

from bascule.migration.conversions import (
    access_log,
    addresses,
    answered,
    application,
    client_certificates,
    converted,
    error_log,
    flag,
    items,
    listed,
    log_level,
    mask,
    number,
    trusted,
    whole,
)
from bascule.migration.shapes import Convert, Outcome, Setting, Settings, Table

SYNC = ("sync", "gunicorn.workers.sync.syncworker")
SUPERVISOR_RUNS_NO_CODE = (
    "The supervisor runs no code of the application; its log reports each of these events."
)
DIRTY = (
    "Bascule has no pool of processes for long work. Give such work to a task queue, or to "
    "concurrent.futures in the application."
)
HTTP2_LIMIT = (
    "Bascule's limits of HTTP/2 are fixed and derived from its other limits; "
    "docs/limits.md has them."
)
STATSD = (
    "Bascule sends no metrics. `bascule ctl status` and the access log have numbers, and agents "
    "such as OpenTelemetry run in the application."
)
SYSLOG = (
    "Bascule writes no syslog: journald keeps stderr, or name a SysLogHandler in `log_config`."
)
STRICT = "Requests that break HTTP are refused; no setting changes that."


def worker_class(value: object, others: Settings) -> Outcome:
    word = str(value).lower()
    says = "Bascule has no worker classes: it detects whether the application is WSGI or ASGI."
    if word in SYNC:
        says += (
            " A sync worker runs one request at a time. If the application is not safe for "
            "threads, write `threads = 1`."
        )
    elif "gevent" in word or "eventlet" in word:
        says = (
            "Bascule has no green threads, and refuses programs that gevent or eventlet has "
            "patched. "
            "Remove the patching; `threads` runs as many requests at once as you say, and an ASGI "
            "application any number."
        )
    elif "tornado" in word:
        says = "A Tornado application is neither WSGI nor ASGI, so Bascule cannot serve it."
    elif "aiohttp" in word:
        says = "An aiohttp.web application is neither WSGI nor ASGI, so Bascule cannot serve it."
    return Outcome(remark=says)


def timeout(value: object, others: Settings) -> Outcome:
    seconds = number(value)
    if seconds == 0:
        return Outcome({"timeout": "none"})
    kind = str(others.get("worker_class", "sync")).lower()
    if kind in SYNC and whole(others.get("threads", 1) or 1) == 1:
        return Outcome(
            {"request_timeout": value},
            "Gunicorn kills a sync worker whose request takes longer. Bascule's `request_timeout` "
            "ends that one request with status 504, and its `timeout` (30 s) is for a blocked "
            "event loop.",
        )
    return Outcome({"timeout": value})


def threads(value: object, others: Settings) -> Outcome:
    return Outcome({"threads": max(whole(value), 1)})


def workers(value: object, others: Settings) -> Outcome:
    return Outcome({"workers": value if value == "auto" else max(whole(value), 1)})


def header_size(value: object, others: Settings) -> Outcome:
    size = whole(value)
    if size == 0:
        return Outcome(remark="Bascule always has a limit; `limit_request_head` sets it.")
    return Outcome(
        {"limit_request_head": max(size, 65536)},
        "Gunicorn limits each field, Bascule the whole head.",
    )


def bounded_line(value: object, others: Settings) -> Outcome:
    size = whole(value)
    if size == 0:
        return Outcome(remark="Bascule always has a limit; `limit_request_line` sets it.")
    return Outcome({"limit_request_line": size})


def proxy_protocol(value: object, others: Settings) -> Outcome:
    word = str(value).lower()
    return Outcome({"proxy_protocol": word not in ("off", "false", "none", "")})


def scheme_headers(value: object, others: Settings) -> Outcome:
    if not isinstance(value, dict):
        raise ValueError("is not a dictionary")
    names = {str(name).upper().replace("_", "-") for name in value}
    if not names:
        return Outcome(
            remark="Write `proxy_headers = false` if no field of proxies is to be used."
        )
    others_named = sorted(names - {"X-FORWARDED-PROTO"})
    says = (
        f"Bascule does not read {', '.join(others_named)} for the scheme; have the proxy set "
        "X-Forwarded-Proto to https."
        if others_named
        else "Bascule reads X-Forwarded-Proto from trusted proxies by default."
    )
    return Outcome(remark=says)


def forwarder_headers(value: object, others: Settings) -> Outcome:
    names = {str(one).upper() for one in items(value)}
    if "SCRIPT_NAME" in names:
        return Outcome(
            remark="For a path prefix, have the proxy send X-Forwarded-Prefix and add "
            "x-forwarded-prefix to `forwarded_headers`, or write `root_path`."
        )
    return Outcome(remark="Bascule takes no environ keys from header fields.")


def logconfig(value: object, others: Settings) -> Outcome:
    name = str(value)
    if name.endswith((".ini", ".conf", ".json", ".toml", ".yaml", ".yml")):
        return Outcome(
            {"log_config": name}, "The loggers are named bascule and bascule.access here."
        )
    return Outcome(
        remark="Bascule tells the format of `log_config` by the suffix: name the file .ini or "
        ".conf."
    )


def protocols(value: object, others: Settings) -> Outcome:
    words = {str(one).lower() for one in items(value)}
    if "h3" in words:
        return Outcome({"http": "auto"}, "Bascule does not speak HTTP/3.")
    return Outcome(
        {"http": {frozenset({"h1"}): "1", frozenset({"h2"}): "2"}.get(frozenset(words), "auto")}
    )


def hook(name: str, to: str, note: str) -> Setting:
    """Return a hook that has a counterpart. Its function is code, which has to be moved."""

    def convert(value: object, others: Settings) -> Outcome:
        return Outcome(remark=note)

    return Setting(name, (), convert, to, note)


def python_path(value: object, others: Settings) -> Outcome:
    paths = items(value)
    if not paths:
        return Outcome(remark="An empty path needs no setting.")
    if "chdir" in others or len(paths) > 1:
        return Outcome(
            remark="Bascule adds one directory to the import path, `app_dir`. Set PYTHONPATH for "
            f"{', '.join(map(str, paths))}."
        )
    return Outcome({"app_dir": paths[0]})


def raw_env(value: object, others: Settings) -> Outcome:
    return Outcome(
        remark="Put these variables into a file, one NAME=value a line, and write "
        '`env_file = "FILE"`; or set them in the unit or the Dockerfile.'
    )


def pid_file(value: object, others: Settings) -> Outcome:
    return (
        Outcome({"pid": value}) if value else Outcome(remark="No PID file is written either way.")
    )


def account(to: str) -> Convert:
    def convert(value: object, others: Settings) -> Outcome:
        if value is None or value == "":
            return Outcome(remark="No user is changed either way.")
        return Outcome({to: value})

    return convert


SETTINGS: tuple[Setting, ...] = (
    answered(
        "config",
        "Settings are in bascule.toml, or in the file that `--config` names; it is a TOML file.",
        "-c",
        "--config",
    ),
    converted("wsgi_app", "target", by=application),
    converted("bind", "bind", "-b", "--bind", by=addresses, repeats=True),
    converted("backlog", "backlog", "--backlog"),
    converted("workers", "workers", "-w", "--workers", by=workers),
    Setting(
        "worker_class",
        ("-k", "--worker-class"),
        worker_class,
        "",
        "Bascule has no worker classes: it detects whether the application is WSGI or ASGI. "
        "`threads` is what gthread has; green threads (gevent, eventlet) are refused.",
    ),
    converted("threads", "threads", "--threads", by=threads, note="The default is 8, not 1."),
    converted(
        "worker_connections",
        "limit_connections",
        "--worker-connections",
        note="Bascule's default is 10,000, and an open connection takes no thread.",
    ),
    converted("max_requests", "max_requests", "--max-requests"),
    converted("max_requests_jitter", "max_requests_jitter", "--max-requests-jitter"),
    converted(
        "timeout",
        "timeout",
        "-t",
        "--timeout",
        by=timeout,
        note="For a blocked event loop; of a sync worker it becomes `--request-timeout`, which "
        "ends "
        "the one request.",
    ),
    converted("graceful_timeout", "timeout_graceful_shutdown", "--graceful-timeout"),
    converted(
        "keepalive",
        "timeout_keep_alive",
        "--keep-alive",
        note="The default is 75 s, longer than that of load balancers, which must close first.",
    ),
    converted("limit_request_line", "limit_request_line", "--limit-request-line", by=bounded_line),
    converted("limit_request_fields", "limit_request_fields", "--limit-request-fields"),
    converted(
        "limit_request_field_size",
        "limit_request_head",
        "--limit-request-field_size",
        by=header_size,
        note="For the whole head.",
    ),
    converted("reload", "reload", "--reload", by=flag("reload"), takes="nothing"),
    answered(
        "reload_engine",
        "Bascule watches files by watchfiles, which uses the notifications of the system.",
        "--reload-engine",
        harmless=("auto", "inotify"),
    ),
    answered(
        "reload_extra_files",
        "`reload_dir` names directories to watch; docs/howto/development.md says which files "
        "count.",
        "--reload-extra-file",
        repeats=True,
    ),
    answered(
        "spew",
        "Bascule traces no lines. `bascule ctl stacks` shows where each worker is.",
        "--spew",
        takes="nothing",
    ),
    answered(
        "check_config",
        "`bascule config` checks the settings, without importing the application.",
        "--check-config",
        takes="nothing",
    ),
    answered(
        "print_config",
        "`bascule config` prints each setting, its value and its source.",
        "--print-config",
        takes="nothing",
    ),
    converted("preload_app", "preload", "--preload", by=flag("preload"), takes="nothing"),
    answered(
        "sendfile",
        "Bascule sends files by sendfile where it can, and has no setting for that.",
        "--no-sendfile",
        takes="nothing",
        alone=False,
        harmless=(None, True),
    ),
    answered(
        "reuse_port",
        "Workers share one listening socket, and connections are spread over them without it; see "
        "docs/howto/workers.md.",
        "--reuse-port",
        takes="nothing",
    ),
    converted(
        "chdir",
        "app_dir",
        "--chdir",
        note="The import path only; the current directory stays.",
        by=lambda value, others: Outcome(
            {"app_dir": value},
            "The current directory stays, and paths are relative to it. If the application needs "
            "another one, set WorkingDirectory=, WORKDIR or `cd` where Bascule is started.",
        ),
    ),
    answered(
        "daemon",
        "Bascule stays in the foreground; the service manager runs it in the background.",
        "-D",
        "--daemon",
        takes="nothing",
    ),
    Setting(
        "raw_env",
        ("-e", "--env"),
        raw_env,
        "env_file",
        "Variables stand in a file, or where the server is started.",
        repeats=True,
    ),
    converted(
        "pidfile",
        "pid",
        "-p",
        "--pid",
        by=pid_file,
        note="A file with anything but a number in it is not replaced.",
    ),
    answered(
        "worker_tmp_dir",
        "Workers report that they are alive in shared memory, without a file.",
        "--worker-tmp-dir",
    ),
    converted("user", "user", "-u", "--user", by=account("user")),
    converted("group", "group", "-g", "--group", by=account("group")),
    converted(
        "umask", "umask", "-m", "--umask", by=mask, note="Octal, with or without a leading 0."
    ),
    answered(
        "initgroups",
        "With `user`, Bascule always takes that user's supplementary groups.",
        "--initgroups",
        takes="nothing",
        harmless=(True,),
    ),
    answered(
        "tmp_upload_dir",
        "Bascule writes no bodies to files. Applications choose their own directory for uploads, "
        "such as Django's FILE_UPLOAD_TEMP_DIR.",
    ),
    Setting(
        "secure_scheme_headers",
        (),
        scheme_headers,
        "forwarded_headers",
        "X-Forwarded-Proto, or Forwarded with `--forwarded-headers forwarded`.",
    ),
    converted(
        "forwarded_allow_ips",
        "forwarded_allow_ips",
        "--forwarded-allow-ips",
        by=trusted,
        note="Clients of a UNIX socket are trusted only with `unix` or `*`.",
    ),
    converted(
        "accesslog",
        "access_log",
        "--access-logfile",
        by=access_log,
        note="Always to stdout, and on by default.",
    ),
    answered(
        "disable_redirect_access_to_syslog",
        SYSLOG,
        "--disable-redirect-access-to-syslog",
        takes="nothing",
        harmless=(True, False, None),
    ),
    answered(
        "access_log_format",
        'The format of the access log is fixed; `log_format = "json"` gives all of it to '
        "programs.",
        "--access-logformat",
    ),
    Setting(
        "errorlog",
        ("--error-logfile", "--log-file"),
        error_log,
        "",
        "The log goes to stderr: redirect it, or name a file with `log_config`.",
    ),
    converted("loglevel", "log_level", "--log-level", by=log_level),
    answered(
        "capture_output",
        "Output of the application goes to stdout and stderr unchanged.",
        "--capture-output",
        takes="nothing",
    ),
    answered(
        "logger_class",
        "Bascule logs by the loggers bascule and bascule.access; `log_config` gives them "
        "handlers.",
        "--logger-class",
    ),
    converted(
        "logconfig",
        "log_config",
        "--log-config",
        by=logconfig,
        note="The suffix tells the format; the loggers are named bascule.",
    ),
    answered(
        "logconfig_dict",
        "Write the dictionary into a .json or .toml file, and name it with `log_config`; the "
        "loggers "
        "are named bascule and bascule.access.",
        harmless=({}, None),
    ),
    converted("logconfig_json", "log_config", "--log-config-json", by=logconfig),
    answered("syslog_addr", SYSLOG, "--log-syslog-to"),
    answered("syslog", SYSLOG, "--log-syslog", takes="nothing"),
    answered("syslog_prefix", SYSLOG, "--log-syslog-prefix"),
    answered("syslog_facility", SYSLOG, "--log-syslog-facility"),
    answered(
        "enable_stdio_inheritance",
        "Bascule does not redirect stdout and stderr; set PYTHONUNBUFFERED=1 for unbuffered "
        "output.",
        "-R",
        "--enable-stdio-inheritance",
        takes="nothing",
        harmless=(True,),
    ),
    answered("statsd_host", STATSD, "--statsd-host"),
    answered("dogstatsd_tags", STATSD, "--dogstatsd-tags"),
    answered("statsd_prefix", STATSD, "--statsd-prefix"),
    answered("enable_backlog_metric", STATSD, "--enable-backlog-metric", takes="nothing"),
    answered(
        "proc_name",
        "Bascule does not change the name of its processes; systemd and containers name them.",
        "-n",
        "--name",
    ),
    answered(
        "default_proc_name",
        "Bascule does not change the name of its processes; systemd and containers name them.",
    ),
    converted(
        "pythonpath",
        "app_dir",
        "--pythonpath",
        by=python_path,
        note="One directory; more in the variable PYTHONPATH.",
    ),
    answered(
        "paste",
        "Bascule reads no PasteDeploy files. Write a module: "
        "`application = paste.deploy.loadapp('config:/srv/app.ini')`, and name it.",
        "--paste",
        "--paster",
    ),
    answered(
        "on_starting",
        "A script that starts Bascule, with commands before it, or `bascule.serve` in a program.",
    ),
    answered("on_reload", SUPERVISOR_RUNS_NO_CODE),
    answered(
        "when_ready",
        "`health_bind` and its /ready, `Type=notify` of systemd, or `bascule ctl status`.",
    ),
    answered("pre_fork", SUPERVISOR_RUNS_NO_CODE),
    hook(
        "post_fork",
        "on_worker_start",
        "Move the function into a module, let it take the process ID of the worker, and write "
        '`on_worker_start = "module:function"`; ASGI applications also have the lifespan startup.',
    ),
    hook(
        "post_worker_init",
        "on_worker_start",
        "Move the function into a module, let it take the process ID of the worker, and write "
        '`on_worker_start = "module:function"`.',
    ),
    answered(
        "worker_int",
        "The log has the stacks of a worker before it is replaced; `bascule ctl stacks` shows "
        "them "
        "at any time.",
    ),
    answered(
        "worker_abort",
        "The log has the stacks of a worker before it is replaced; `bascule ctl stacks` shows "
        "them "
        "at any time.",
    ),
    answered(
        "pre_exec",
        "A script that starts Bascule, with commands before it, or `bascule.serve` in a program.",
    ),
    answered("pre_request", "Middleware of the application; the access log has times."),
    answered("post_request", "Middleware of the application; the access log has times."),
    hook(
        "child_exit",
        "on_worker_exit",
        "Move the function into a module, let it take the process ID of the worker, and write "
        '`on_worker_exit = "module:function"`; it is called once for each worker, even if the '
        "worker was killed.",
    ),
    hook(
        "worker_exit",
        "on_worker_exit",
        "Move the function into a module, let it take the process ID of the worker, and write "
        '`on_worker_exit = "module:function"`; it is called once for each worker, even if the '
        "worker was killed.",
    ),
    answered("nworkers_changed", SUPERVISOR_RUNS_NO_CODE),
    answered(
        "on_exit",
        "A script that starts Bascule, with commands after it, or `bascule.serve` in a program.",
    ),
    answered("ssl_context", "The `ssl_` settings, or a proxy that ends TLS."),
    converted(
        "proxy_protocol",
        "proxy_protocol",
        "--proxy-protocol",
        by=proxy_protocol,
        takes="optional",
        note="Both versions of the header.",
    ),
    converted(
        "proxy_allow_ips",
        "proxy_allow_ips",
        "--proxy-allow-from",
        by=listed("proxy_allow_ips"),
    ),
    answered(
        "protocol",
        "Bascule speaks HTTP only. Have the proxy speak HTTP: in nginx proxy_pass instead of "
        "uwsgi_pass.",
        "--protocol",
        harmless=("http", None),
    ),
    answered("uwsgi_allow_ips", "Bascule does not speak uwsgi.", "--uwsgi-allow-from"),
    converted("keyfile", "ssl_keyfile", "--keyfile"),
    converted("certfile", "ssl_certfile", "--certfile"),
    answered(
        "ssl_version",
        "TLS 1.2 and 1.3 are spoken; for others, a proxy that ends TLS.",
        "--ssl-version",
    ),
    converted("cert_reqs", "ssl_cert_reqs", "--cert-reqs", by=client_certificates),
    converted("ca_certs", "ssl_ca_certs", "--ca-certs"),
    answered(
        "suppress_ragged_eofs",
        "A connection that ends without a TLS close is a closed connection; no setting changes "
        "that.",
        "--suppress-ragged-eofs",
        takes="nothing",
        harmless=(True,),
    ),
    answered(
        "do_handshake_on_connect",
        "The TLS handshake begins when the connection is accepted, and has a deadline.",
        "--do-handshake-on-connect",
        takes="nothing",
        harmless=(True, False),
    ),
    answered(
        "ciphers",
        "The ciphers are those of the system's OpenSSL; for others, a proxy that ends TLS.",
        "--ciphers",
    ),
    converted("http_protocols", "http", "--http-protocols", by=protocols),
    answered(
        "http2_cleartext",
        'HTTP/2 without TLS is for clients that begin with it, unless `http = "1"`.',
        "--http2-cleartext",
        harmless=(None, "off", False),
    ),
    answered("http2_max_concurrent_streams", HTTP2_LIMIT, "--http2-max-concurrent-streams"),
    answered("http2_initial_window_size", HTTP2_LIMIT, "--http2-initial-window-size"),
    answered("http2_max_frame_size", HTTP2_LIMIT, "--http2-max-frame-size"),
    converted(
        "http2_max_header_list_size",
        "limit_request_head",
        "--http2-max-header-list-size",
        note="One limit for both versions of HTTP.",
    ),
    answered(
        "raw_paste_global_conf",
        "Bascule reads no PasteDeploy files; pass them to `loadapp` in a module of yours.",
        "--paste-global",
        repeats=True,
    ),
    answered(
        "permit_obsolete_folding",
        STRICT,
        "--permit-obsolete-folding",
        takes="nothing",
    ),
    answered("strip_header_spaces", STRICT, "--strip-header-spaces", takes="nothing"),
    answered(
        "permit_unconventional_http_method",
        "Bascule takes every method that is a token (RFC 9110 section 9.1).",
        "--permit-unconventional-http-method",
        takes="nothing",
    ),
    answered(
        "permit_unconventional_http_version",
        STRICT,
        "--permit-unconventional-http-version",
        takes="nothing",
    ),
    answered(
        "casefold_http_method",
        "Methods are case-sensitive (RFC 9110 section 9.1), and no setting changes that.",
        "--casefold-http-method",
        takes="nothing",
    ),
    Setting(
        "forwarder_headers",
        ("--forwarder-headers",),
        forwarder_headers,
        "forwarded_headers",
        "For SCRIPT_NAME: X-Forwarded-Prefix with `--forwarded-headers x-forwarded-prefix`.",
    ),
    converted("header_map", "header_map", "--header-map"),
    converted("asgi_loop", "loop", "--asgi-loop"),
    converted("asgi_lifespan", "lifespan", "--asgi-lifespan"),
    answered(
        "asgi_disconnect_grace_period",
        "The application learns of a disconnect by `http.disconnect`; its call is not cancelled.",
        "--asgi-disconnect-grace-period",
    ),
    converted("websocket_max_message_size", "ws_max_size", "--websocket-max-message-size"),
    answered(
        "http_parser",
        "Bascule has its own parser, and no other to choose.",
        "--http-parser",
        harmless=("auto", "fast", None),
    ),
    converted("root_path", "root_path", "--root-path"),
    *(
        answered(name, DIRTY, *flags, repeats=name == "dirty_apps")
        for name, flags in (
            ("dirty_apps", ("--dirty-app",)),
            ("dirty_workers", ("--dirty-workers",)),
            ("dirty_timeout", ("--dirty-timeout",)),
            ("dirty_threads", ("--dirty-threads",)),
            ("dirty_graceful_timeout", ("--dirty-graceful-timeout",)),
            ("on_dirty_starting", ()),
            ("dirty_post_fork", ()),
            ("dirty_worker_init", ()),
            ("dirty_worker_exit", ()),
        )
    ),
    Setting(
        "control_socket",
        ("--control-socket",),
        lambda value, others: Outcome({"control": value}),
        "control",
        "For `bascule ctl`, whose commands are others; off by default.",
    ),
    answered(
        "control_socket_mode",
        "Only the user of the server may use the control socket.",
        "--control-socket-mode",
    ),
    answered(
        "control_socket_disable",
        "There is no control socket unless `control` names one.",
        "--no-control-socket",
        takes="nothing",
        harmless=(True,),
    ),
)

TABLE = Table(
    "gunicorn",
    "Gunicorn",
    SETTINGS,
    target="wsgi_app",
    defaults={
        "threads": "Gunicorn runs one request at a time in each worker; Bascule 8, in threads. If "
        "the application is not safe for threads: `threads = 1`.",
        "workers": "Gunicorn has a master and one worker; Bascule one process. `workers = 1` "
        "adds a "
        "supervisor, which replaces a worker that hangs or dies.",
        "keepalive": "Gunicorn keeps an idle connection for 2 s, Bascule for 75 s "
        "(`timeout_keep_alive`), longer than load balancers do.",
        "accesslog": "Gunicorn writes no access log unless it has a file; Bascule writes one to "
        "stdout. `access_log = false` turns it off.",
        "forwarded_allow_ips": "Gunicorn takes the scheme from proxies on the same machine; "
        "Bascule "
        "also takes the client, from X-Forwarded-For. Clients of a UNIX socket are trusted only "
        'with `forwarded_allow_ips = ["unix"]`.',
    },
)
