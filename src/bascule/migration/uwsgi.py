"""The commonly used options of uWSGI, which has about a thousand; others get a general answer."""

import re

from bascule.migration.conversions import (
    address,
    answered,
    application,
    converted,
    error_log,
    items,
    mask,
    number,
    truth,
    whole,
)
from bascule.migration.shapes import Convert, Outcome, Setting, Settings, Table

SPOKEN = (
    "Bascule speaks HTTP, not uwsgi: in nginx, replace `uwsgi_pass` and `include uwsgi_params` by "
    "`proxy_pass` and the lines of docs/howto/behind-a-proxy.md."
)
LOG_FILES = (
    "Bascule writes its log to stderr and the access log to stdout, and no files: let the service "
    "manager keep them, or name files with `log_config`."
)
ONLY_UWSGI = "It is about uWSGI itself, and has no use here."
GREEN = (
    "Bascule has no green threads, and refuses programs that gevent or eventlet has patched; "
    "`threads` runs as many requests at once as you say, and an ASGI application any number."
)
WORK = (
    "Bascule runs no background work. Run it as a service of its own, or in a task queue such as "
    "Celery or Django's tasks."
)
CHEAPER = (
    "The number of workers is fixed; `bascule ctl scale +1` changes it while the server runs. An "
    "idle worker costs memory only."
)
STATS = "`bascule ctl status` shows the workers; the access log has times."
ROUTES = (
    "Bascule has no rules for requests; have the proxy or middleware of the application do it."
)
TOUCH = "`systemctl reload`, or SIGHUP, replaces the workers without losing a request."
EMPEROR = "Each Bascule is a service of its own; several applications in one: `mount`."
CACHE = "Bascule has no cache for applications; use that of the framework, or Redis."


def sockets(value: object, others: Settings) -> Outcome:
    """All addresses, whatever the protocol; the nonnumeric forms are those of uWSGI."""
    found: list[str] = []
    for name in ("http", "http-socket", "https", "socket"):
        for text in items(others.get(name), "\n"):
            found.append(address(text.partition(",")[0]))
    return Outcome({"bind": list(dict.fromkeys(found))})


def uwsgi_socket(value: object, others: Settings) -> Outcome:
    outcome = sockets(value, others)
    spoken = str(others.get("protocol", "uwsgi"))
    return Outcome(outcome.values, "" if spoken == "http" else SPOKEN)


def https(value: object, others: Settings) -> Outcome:
    """ADDRESS,CERTIFICATE,KEY[,CIPHERS[,CLIENT CERTIFICATES]]."""
    texts = items(value, "\n")
    if not texts:
        raise ValueError("is empty")
    parts = str(texts[0]).split(",")
    values = dict(sockets(value, others).values)
    if len(parts) > 1 and parts[1]:
        values["ssl_certfile"] = parts[1]
    if len(parts) > 2 and parts[2]:
        values["ssl_keyfile"] = parts[2]
    more = "Ciphers and client certificates are in the `ssl_` settings, or in a proxy."
    return Outcome(values, more if len(parts) > 3 else "")


def module(value: object, others: Settings) -> Outcome:
    """The module, with the name in it: uWSGI looks for `application`."""
    text = str(value).strip()
    name = others.get("callable")
    if ":" not in text and name:
        text = f"{text}:{name}"
    return application(text, others)


def wsgi_file(value: object, others: Settings) -> Outcome:
    """A file, whose module is found from the current directory."""
    path = str(value)
    for base in (others.get("chdir"), *items(others.get("pythonpath"), "\n")):
        folder = f"{str(base).rstrip('/')}/"
        if base and path.startswith(folder):
            path = path.removeprefix(folder)
            break
    name = re.sub(r"\.(?:py|wsgi)$", "", path.removeprefix("./")).replace("/", ".")
    if not re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", name):
        return Outcome(
            remark="Bascule imports a module, not a file: write `target` with the name of the "
            "module, and `app_dir` with the directory that it is in."
        )
    if path.endswith(".wsgi"):
        return Outcome(
            remark="Bascule imports a module: give the file the suffix .py, and write `target`."
        )
    return Outcome({"target": f"{name}:{others.get('callable') or 'application'}"})


def callable_name(value: object, others: Settings) -> Outcome:
    if "module" in others or "wsgi-file" in others:
        return Outcome(remark="It is the part of `target` behind the colon.")
    return Outcome(remark="Write `target` with the module, a colon and this name.")


def mounted(value: object, others: Settings) -> Outcome:
    """/PREFIX=MODULE, /PREFIX=FILE.py, or with a colon and a name."""
    mounts: list[str] = []
    remarks: list[str] = []
    for text in items(value, "\n"):
        where, _, what = text.partition("=")
        target = what.strip().replace("/", ".").replace(".py", "")
        if not re.fullmatch(r"[\w.]+(?::[\w.]+)?", target) or what.strip().startswith("/"):
            remarks.append(f'Write `mount = ["{where}=MODULE:NAME"]` for {text}.')
        else:
            mounts.append(f"{where.strip()}={target}")
    return Outcome({"mount": mounts} if mounts else {}, " ".join(remarks))


def lazy(value: object, others: Settings) -> Outcome:
    return Outcome({"preload": not truth(value)})


def harakiri(value: object, others: Settings) -> Outcome:
    seconds = number(value)
    if seconds == 0:
        return Outcome({"request_timeout": "none"})
    return Outcome(
        {"request_timeout": value},
        "uWSGI kills the worker; Bascule ends the one request with status 504.",
    )


def positive(to: str, zero: object = None, note: str = "") -> Convert:
    """A whole number, for which 0 means none."""

    def convert(value: object, others: Settings) -> Outcome:
        size = whole(value)
        if size <= 0:
            return Outcome({} if zero is None else {to: zero})
        return Outcome({to: size}, note)

    return convert


def processes(value: object, others: Settings) -> Outcome:
    if str(value).strip() in ("%k", "auto"):
        return Outcome({"workers": "auto"})
    return Outcome({"workers": max(whole(value), 1)})


def buffer_size(value: object, others: Settings) -> Outcome:
    return Outcome(
        {"limit_request_head": max(whole(value), 65536)},
        "It is the limit of the head of a request; Bascule's default is 64 KiB.",
    )


def static_map(value: object, others: Settings) -> Outcome:
    return Outcome({"static": [str(one) for one in items(value, "\n")]})


def check_static(value: object, others: Settings) -> Outcome:
    return Outcome({"static": [f"/={one}" for one in items(value, "\n")][:1]})


def log_off(value: object, others: Settings) -> Outcome:
    return Outcome({"access_log": not truth(value)})


def variables(value: object, others: Settings) -> Outcome:
    return Outcome(
        remark="Put these variables into a file, one NAME=value a line, and write "
        '`env_file = "FILE"`; or set them in the unit or the Dockerfile.'
    )


def import_path(value: object, others: Settings) -> Outcome:
    paths = [str(one) for one in items(value, "\n")]
    if len(paths) == 1 and others.get("chdir") in (None, "", paths[0]):
        return Outcome({"app_dir": paths[0]})
    return Outcome(
        remark="Bascule adds one directory to the import path, `app_dir`. Set PYTHONPATH for "
        f"{', '.join(paths)}."
    )


def directory(value: object, others: Settings) -> Outcome:
    return Outcome(
        {"app_dir": value},
        "The current directory stays, and paths are relative to it. If the application needs "
        "another one, set WorkingDirectory=, WORKDIR or `cd` where Bascule is started.",
    )


def interpreter(value: object, others: Settings) -> Outcome:
    return Outcome(
        remark=f"Install Bascule in the environment and start it from there: {value}/bin/bascule."
    )


def keep_alive(value: object, others: Settings) -> Outcome:
    seconds = 0 if value in (True, "true", "1") else whole(value)
    return Outcome({"timeout_keep_alive": seconds} if seconds > 1 else {})


def on(name: str, note: str, *flags: str, harmless: tuple[object, ...] = ()) -> Setting:
    """Return a flag that asks for the way Bascule is."""
    accepted = (True, "true", "1", "yes", "on", *harmless)
    return answered(name, note, *flags, takes="optional", harmless=accepted)


def off(names: str, note: str) -> tuple[Setting, ...]:
    """Return settings with one answer."""
    return tuple(
        answered(name, note, f"--{name}", takes="optional", repeats=True) for name in names.split()
    )


SETTINGS: tuple[Setting, ...] = (
    converted("module", "target", "--module", "--wsgi", "-w", by=module),
    converted("wsgi-file", "target", "--wsgi-file", "--file", by=wsgi_file, note="As a module."),
    Setting("callable", ("--callable",), callable_name, "target", "Behind the colon."),
    converted("mount", "mount", "--mount", by=mounted, repeats=True),
    converted("http", "bind", "--http", by=sockets, repeats=True),
    converted("http-socket", "bind", "--http-socket", by=sockets, repeats=True),
    converted("https", "bind", "--https", by=https, note="With `--ssl-certfile`.", repeats=True),
    converted(
        "socket",
        "bind",
        "--socket",
        "--uwsgi-socket",
        "-s",
        by=uwsgi_socket,
        repeats=True,
        note=SPOKEN,
    ),
    answered(
        "protocol",
        "Bascule speaks HTTP.",
        "--protocol",
        harmless=("http",),
    ),
    answered(
        "chmod-socket",
        "`umask` gives permissions to UNIX sockets, and a socket unit of systemd has SocketMode=.",
        "--chmod-socket",
        "-C",
        takes="optional",
    ),
    answered(
        "chown-socket",
        "A socket unit of systemd has SocketUser= and SocketGroup=.",
        "--chown-socket",
    ),
    converted(
        "listen", "backlog", "--listen", "-l", by=positive("backlog"), note="2048 by default."
    ),
    converted("processes", "workers", "--processes", "--workers", "-p", by=processes),
    converted("threads", "threads", "--threads", by=positive("threads"), note="8 by default."),
    on("enable-threads", "Bascule runs WSGI in threads.", "--enable-threads", "-T"),
    on("master", "`workers` brings a supervisor.", "--master", "-M"),
    on("vacuum", "UNIX sockets and the PID file are removed at the end.", "--vacuum"),
    on("die-on-term", "SIGTERM stops the server gracefully.", "--die-on-term"),
    on("single-interpreter", "Each process has one interpreter.", "--single-interpreter"),
    on("need-app", "Without an application the server does not start.", "--need-app"),
    on("strict", "Unknown keys are refused.", "--strict"),
    on("no-orphans", "Workers end with their supervisor.", "--no-orphans"),
    on("thunder-lock", "Connections are spread over the workers.", "--thunder-lock"),
    on("wsgi-env-behaviour", ONLY_UWSGI, "--wsgi-env-behaviour"),
    converted(
        "lazy-apps",
        "preload",
        "--lazy-apps",
        "--lazy",
        by=lazy,
        takes="optional",
        note="The other way round: uWSGI imports the application before it forks.",
    ),
    converted(
        "harakiri",
        "request_timeout",
        "--harakiri",
        "-t",
        by=harakiri,
        note="Ends the one request, not the worker.",
    ),
    converted(
        "max-requests", "max_requests", "--max-requests", "-R", by=positive("max_requests", 0)
    ),
    converted(
        "max-requests-delta",
        "max_requests_jitter",
        "--max-requests-delta",
        by=positive("max_requests_jitter", 0),
    ),
    converted(
        "max-worker-lifetime",
        "workers_lifetime",
        "--max-worker-lifetime",
        by=positive("workers_lifetime", "none"),
    ),
    converted(
        "reload-on-rss",
        "workers_max_rss",
        "--reload-on-rss",
        by=positive("workers_max_rss", "none"),
    ),
    converted(
        "evil-reload-on-rss",
        "workers_max_rss",
        "--evil-reload-on-rss",
        by=positive("workers_max_rss", "none"),
    ),
    answered(
        "reload-on-as",
        "`workers_max_rss` counts resident memory, which is what a machine runs out of.",
        "--reload-on-as",
    ),
    converted(
        "worker-reload-mercy",
        "timeout_graceful_shutdown",
        "--worker-reload-mercy",
        by=positive("timeout_graceful_shutdown"),
    ),
    converted(
        "reload-mercy",
        "timeout_graceful_shutdown",
        "--reload-mercy",
        by=positive("timeout_graceful_shutdown"),
    ),
    converted(
        "buffer-size",
        "limit_request_head",
        "--buffer-size",
        "-b",
        by=buffer_size,
        note="64 KiB by default.",
    ),
    converted(
        "limit-post",
        "limit_request_body",
        "--limit-post",
        by=positive("limit_request_body", "none"),
    ),
    answered(
        "post-buffering",
        "Bodies are passed on as they arrive. Those without a length are collected up to "
        "`limit_body_buffer`.",
        "--post-buffering",
    ),
    converted(
        "http-keepalive",
        "timeout_keep_alive",
        "--http-keepalive",
        by=keep_alive,
        takes="optional",
        note="On, with 75 s.",
    ),
    answered(
        "http-timeout",
        "`request_timeout` is for the application, `timeout_write` for a client that does not "
        "read.",
        "--http-timeout",
    ),
    answered(
        "socket-timeout",
        "`limit_body_rate` is for slow bodies, `timeout_write` for a client that does not read.",
        "--socket-timeout",
    ),
    converted("chdir", "app_dir", "--chdir", by=directory, note="The import path only."),
    converted(
        "pythonpath",
        "app_dir",
        "--pythonpath",
        "--python-path",
        "--pp",
        by=import_path,
        repeats=True,
        note="One directory; more in the variable PYTHONPATH.",
    ),
    Setting(
        "home",
        ("--home", "--virtualenv", "--venv", "--pyhome", "-H"),
        interpreter,
        "",
        "Bascule is installed in the environment, and started from there.",
    ),
    Setting(
        "env",
        ("--env",),
        variables,
        "env_file",
        "Variables stand in a file, or where the server is started.",
        repeats=True,
    ),
    converted("uid", "user", "--uid"),
    converted("gid", "group", "--gid"),
    converted("umask", "umask", "--umask", by=lambda value, others: mask(f"0{value}", others)),
    converted(
        "pidfile",
        "pid",
        "--pidfile",
        "--safe-pidfile",
        "--pidfile2",
        note="A file with anything but a number in it is not replaced.",
    ),
    answered(
        "daemonize",
        "Bascule stays in the foreground; the service manager runs it in the background.",
        "--daemonize",
        "-d",
        "--daemonize2",
        takes="optional",
    ),
    Setting("logto", ("--logto", "--logto2"), error_log, "", LOG_FILES),
    answered("logger", LOG_FILES, "--logger", "--req-logger", repeats=True),
    *off(
        "log-maxsize log-backupname log-truncate log-reopen touch-logreopen log-master", LOG_FILES
    ),
    converted(
        "disable-logging",
        "access_log",
        "--disable-logging",
        "-L",
        by=log_off,
        takes="optional",
        note="The other way round.",
    ),
    *off(
        "logformat log-format log-date log-x-forwarded-for log-4xx log-5xx log-slow log-zero "
        "logformat-strftime log-micros",
        'The format of the access log is fixed; `log_format = "json"` gives all of it to '
        "programs.",
    ),
    *off(
        "ignore-sigpipe ignore-write-errors disable-write-exception",
        "A client that leaves is no error, and is not logged as one.",
    ),
    converted(
        "py-autoreload",
        "reload",
        "--py-autoreload",
        "--python-autoreload",
        "--py-auto-reload",
        by=lambda value, others: Outcome({"reload": bool(whole(value))}),
        note="For development.",
    ),
    *off("touch-reload touch-chain-reload touch-workers-reload fs-reload", TOUCH),
    converted(
        "static-map", "static", "--static-map", "--static-map2", by=static_map, repeats=True
    ),
    converted("check-static", "static", "--check-static", by=check_static, repeats=True),
    *off(
        "static-expires static-expires-uri static-expires-type static-index static-gzip-all "
        "static-gzip static-safe static-skip-ext offload-threads",
        "`static_max_age` and `static_cache_control` are for caching; compressed neighbours, "
        "links and sending without a thread need no setting: docs/howto/static-files.md.",
    ),
    converted("add-header", "header", "--add-header", repeats=True),
    converted(
        "manage-script-name",
        "proxy_headers",
        "--manage-script-name",
        by=lambda value, others: Outcome(
            remark="`mount` sets SCRIPT_NAME by itself; behind a proxy it is `root_path`."
        ),
        takes="optional",
        note="`--mount` sets SCRIPT_NAME.",
    ),
    *off("stats stats-server stats-http memory-report carbon snmp", STATS),
    *off(
        "gevent gevent-monkey-patch gevent-early-monkey-patch async asyncio greenlet ugreen loop "
        "coroae tornado",
        GREEN,
    ),
    *off(
        "cheaper cheaper-initial cheaper-step cheaper-algo cheaper-overload cheaper-busyness-max "
        "cheaper-busyness-min cheaper-busyness-multiplier cheaper-rss-limit-soft idle",
        CHEAPER,
    ),
    *off(
        "mule mules farm spooler spooler-processes spooler-frequency cron cron2 attach-daemon "
        "attach-daemon2 smart-attach-daemon legacy-cron unique-cron",
        WORK,
    ),
    *off(
        "route route-uri route-host route-run route-if final-route error-route response-route "
        "route-header http-auto-gzip http-to",
        ROUTES,
    ),
    *off("emperor vassals-dir emperor-tyrant vassal-set", EMPEROR),
    *off("cache cache2 sharedarea queue", CACHE),
    *off(
        "plugin plugins plugins-dir plugin-dir procname procname-prefix auto-procname "
        "procname-prefix-spaced procname-append optimize no-site close-on-exec show-config "
        "cpu-affinity ksm honour-stdin so-keepalive tcp-nodelay no-defer-accept reuse-port "
        "py-call-osafterfork py-call-uwsgi-fork-hooks skip-atexit-teardown disable-sendfile "
        "harakiri-verbose log-master-bufsize max-fd never-swap prio catch-exceptions "
        "http-raw-body http-websockets http-chunked-input socket-send-timeout py-tracebacker "
        "binary-path set-placeholder set-ph autoload master-fifo safe-reload early-psgi",
        ONLY_UWSGI,
    ),
    *off(
        "exec-asap exec-pre-jail exec-post-jail exec-as-root exec-as-user exec-pre-app "
        "hook-asap hook-pre-app hook-post-app hook-as-user hook-as-root hook-master-start "
        "exec-as-user-atexit import shared-import pyimport py-import",
        "`on_worker_start` and `on_worker_exit` call functions in each worker; commands belong to "
        "a script that starts Bascule, or to ExecStartPre=.",
    ),
    answered("ini", "Its settings are read as well.", "--ini"),
    *off("include inherit yaml xml json", "Give that file to `bascule migrate` as well."),
)

TABLE = Table(
    "uwsgi",
    "uWSGI",
    SETTINGS,
    target="ini",
    defaults={
        "threads": "uWSGI runs one request at a time in each process; Bascule 8, in threads. If "
        "the "
        "application is not safe for threads: `threads = 1`.",
        "lazy-apps": "uWSGI imports the application once, and forks. Bascule imports it in each "
        "worker; `preload = true` is uWSGI's way.",
        "buffer-size": "uWSGI takes heads of 4 KiB, Bascule of 64 KiB (`limit_request_head`).",
    },
)
