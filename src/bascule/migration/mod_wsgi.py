"""mod_wsgi: the directives of a virtual host, and the options of WSGIDaemonProcess."""

import re

from bascule.migration.conversions import (
    answered,
    converted,
    error_log,
    items,
    mask,
    number,
    truth,
    whole,
    zero_is_none,
)
from bascule.migration.shapes import Outcome, Setting, Settings, Table

PROXY = "A proxy in front of Bascule does it: Apache with mod_proxy, or nginx."
OWN_PROCESS = "Each Bascule is a process of its own; it has one interpreter."
ACCESS = "Static files are served from the directories that `static` names, and no others."
BUFFERS = "Bascule's buffers have fixed limits, which docs/limits.md names."
GROUP = "Bascule does not change the name of its processes; systemd and containers name them."


def script(value: object, others: Settings) -> Outcome:
    """The path of the URL, and the file of the application."""
    targets: dict[str, str] = {}
    remarks = []
    for text in items(value, "\n"):
        words = str(text).split()
        if len(words) < 2:
            raise ValueError("has no file")
        where, path = words[0].rstrip("/"), words[1]
        target = module_of(path, others)
        if target:
            targets[where] = target
        else:
            remarks.append(
                f"Bascule imports a module, not {path}: give the file the suffix .py, write "
                "`target` with the name of the module, and `app_dir` with its directory."
            )
    values: dict[str, object] = {}
    if "" in targets:
        values["target"] = targets.pop("")
    if targets:
        values["mount"] = [f"{where}={target}" for where, target in targets.items()]
    return Outcome(values, " ".join(remarks))


def module_of(path: str, others: Settings) -> str:
    """Return the module of a file, by the directories that are imported from; empty if unknown."""
    if not path.endswith(".py"):
        return ""
    bases = [*str(others.get("python-path") or "").split(":"), str(others.get("home") or "")]
    bases += str(others.get("WSGIPythonPath") or "").split(":")
    for base in bases:
        if base and path.startswith(f"{base.rstrip('/')}/"):
            path = path.removeprefix(f"{base.rstrip('/')}/")
            break
    else:
        # A Django project has mysite/wsgi.py below the directory that is imported from.
        path = "/".join(path.split("/")[-2:])
    name = path.removesuffix(".py").replace("/", ".").lstrip(".")
    is_name = re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", name)
    return f"{name}:{others.get('WSGICallableObject') or 'application'}" if is_name else ""


def import_path(value: object, others: Settings) -> Outcome:
    paths = [one for one in str(value).split(":") if one and "site-packages" not in one]
    if len(paths) == 1:
        return Outcome({"app_dir": paths[0]})
    if not paths:
        return Outcome(remark="The packages are those of the environment that Bascule runs in.")
    return Outcome(
        {"app_dir": paths[0]},
        "Bascule adds one directory to the import path. Set PYTHONPATH for "
        f"{', '.join(paths[1:])}.",
    )


def interpreter(value: object, others: Settings) -> Outcome:
    return Outcome(
        remark=f"Install Bascule in this environment and start it from there: {value}/bin/bascule."
    )


def alias(value: object, others: Settings) -> Outcome:
    mounts = []
    for text in items(value, "\n"):
        words = str(text).split()
        if len(words) != 2:
            raise ValueError("has no directory")
        mounts.append(f"{words[0].rstrip('/') or '/'}={words[1]}")
    files = [one for one in mounts if re.search(r"\.\w{2,4}$", one)]
    mounts = [one for one in mounts if one not in files]
    says = f"Bascule serves directories: put {', '.join(files)} into one." if files else ""
    return Outcome({"static": mounts} if mounts else {}, says)


def listen(value: object, others: Settings) -> Outcome:
    return Outcome(
        remark='If Bascule takes Apache\'s place, write `bind = ["0.0.0.0:80"]` or the address '
        "here, and `user`; behind a proxy, the default 127.0.0.1:8000 is right."
    )


def processes(value: object, others: Settings) -> Outcome:
    return Outcome({"workers": max(whole(value), 1)})


def threads(value: object, others: Settings) -> Outcome:
    return Outcome({"threads": max(whole(value), 1)})


def keep_alive(value: object, others: Settings) -> Outcome:
    if str(value).lower() in ("on", "off"):
        return Outcome({} if truth(value) else {"timeout_keep_alive": 0})
    return Outcome({"timeout_keep_alive": number(value)})


def body(value: object, others: Settings) -> Outcome:
    return Outcome({"limit_request_body": "none" if whole(value) == 0 else whole(value)})


def level(value: object, others: Settings) -> Outcome:
    word = str(value).partition(" ")[0].lower()
    known = {"warn": "warning", "notice": "info", "crit": "critical", "alert": "critical"}
    return Outcome({"log_level": known.get(word, "debug" if word.startswith("trace") else word)})


def header(value: object, others: Settings) -> Outcome:
    fields, remarks = [], []
    for text in items(value, "\n"):
        found = re.fullmatch(r"(?:always\s+)?(?:set|add)\s+(\S+)\s+\"?([^\"%]+?)\"?", str(text))
        if found is None:
            remarks.append(f"Middleware of the application, or the proxy, has to do: {text}.")
        else:
            fields.append(f"{found[1].rstrip(':')}: {found[2]}")
    return Outcome({"header": fields} if fields else {}, " ".join(remarks))


def variables(value: object, others: Settings) -> Outcome:
    return Outcome(
        remark="Apache puts it into the environ of each request, not into the process. Set it "
        "where "
        "Bascule is started, or in the file that `env_file` names, and read it from os.environ."
    )


def each(note: str, names: str) -> tuple[Setting, ...]:
    """Return directives with one answer."""
    return tuple(answered(name, note, repeats=True) for name in names.split())


SETTINGS: tuple[Setting, ...] = (
    converted("WSGIScriptAlias", "target", by=script, repeats=True, note="As a module."),
    converted(
        "WSGIScriptAliasMatch",
        "mount",
        by=lambda value, others: Outcome(
            remark="`mount` knows paths and hosts, no regular expressions."
        ),
        note="Paths and hosts only.",
    ),
    answered("WSGICallableObject", "It is the part of `target` behind the colon."),
    answered("WSGIDaemonProcess", "Its options are below; the name has no use here."),
    answered("WSGIProcessGroup", OWN_PROCESS),
    answered("process-group", OWN_PROCESS),
    answered("WSGIApplicationGroup", OWN_PROCESS),
    answered("application-group", OWN_PROCESS),
    Setting("WSGIPythonHome", (), interpreter, "", "Bascule is installed in that environment."),
    converted("WSGIPythonPath", "app_dir", by=import_path, note="One directory."),
    answered("WSGIPassAuthorization", "Authorization always reaches the application."),
    answered("WSGIScriptReloading", "`reload` is for development; SIGHUP loads new code."),
    answered("WSGIImportScript", "`on_worker_start` calls a function in each worker."),
    answered("WSGILazyInitialization", OWN_PROCESS),
    answered("WSGIRestrictEmbedded", OWN_PROCESS),
    answered("WSGISocketPrefix", OWN_PROCESS),
    answered("WSGIRestrictStdin", "The application may use stdin and stdout."),
    answered("WSGIRestrictStdout", "The application may use stdin and stdout."),
    answered("WSGIChunkedRequest", "Bodies without a length always reach the application."),
    answered("WSGIPythonOptimize", "Set PYTHONOPTIMIZE where Bascule is started."),
    answered("WSGIPythonHashSeed", "Set PYTHONHASHSEED where Bascule is started."),
    answered("WSGITrustedProxies", "`forwarded_allow_ips` has the trusted proxies."),
    answered("WSGITrustedProxyHeaders", "`forwarded_headers` has the fields of proxies."),
    answered("WSGIErrorOverride", PROXY),
    answered("WSGIMapHEADToGET", "HEAD reaches the application as HEAD."),
    answered("WSGIServerMetrics", "`bascule ctl status` shows the workers."),
    answered("WSGIAuthUserScript", "Authentication belongs to the application or a proxy."),
    # The options of WSGIDaemonProcess.
    converted("processes", "workers", by=processes),
    converted("threads", "threads", by=threads, note="8 by default, not 15."),
    converted("user", "user"),
    converted("group", "group"),
    converted("umask", "umask", by=lambda value, others: mask(f"0{value}", others)),
    answered(
        "home",
        "Set WorkingDirectory= of the unit, or `cd` before the command; the directory is used "
        "here "
        "to find the module.",
    ),
    Setting("python-home", (), interpreter, "", "Bascule is installed in that environment."),
    converted("python-path", "app_dir", by=import_path, note="One directory."),
    answered(
        "python-eggs", "Bascule has no use for eggs; set PYTHON_EGG_CACHE if a package does."
    ),
    converted("maximum-requests", "max_requests"),
    converted("restart-interval", "workers_lifetime", by=zero_is_none("workers_lifetime")),
    answered("inactivity-timeout", "Idle workers stay; they cost memory only."),
    converted(
        "request-timeout",
        "request_timeout",
        by=zero_is_none("request_timeout"),
        note="Ends the one request.",
    ),
    converted(
        "deadlock-timeout",
        "timeout",
        by=zero_is_none("timeout"),
        note="For a blocked event loop.",
    ),
    converted("graceful-timeout", "timeout_graceful_shutdown"),
    converted("shutdown-timeout", "timeout_graceful_shutdown", note="30 s by default, not 5."),
    answered("eviction-timeout", "SIGUSR1 has no such deadline here."),
    converted("queue-timeout", "queue_timeout", by=zero_is_none("queue_timeout")),
    answered("startup-timeout", "A start may take as long as it needs; systemd has a deadline."),
    answered("connect-timeout", OWN_PROCESS),
    answered("socket-timeout", "`timeout_write` is for a client that does not read."),
    answered("response-socket-timeout", "`timeout_write` is for a client that does not read."),
    answered("cpu-time-limit", "LimitCPU= of systemd limits the process."),
    answered(
        "memory-limit", "`workers_max_rss` replaces a worker; MemoryMax= limits the service."
    ),
    answered("virtual-memory-limit", "MemoryMax= of systemd limits the service."),
    answered("stack-size", "The stack of threads is that of Python."),
    answered("cpu-priority", "Nice= of systemd sets it."),
    answered("display-name", GROUP),
    answered("lang", "Set LANG where Bascule is started."),
    answered("locale", "Set LC_ALL where Bascule is started."),
    converted("listen-backlog", "backlog"),
    answered("send-buffer-size", BUFFERS),
    answered("receive-buffer-size", BUFFERS),
    answered("header-buffer-size", BUFFERS),
    answered("response-buffer-size", BUFFERS),
    answered("read-buffer-size", BUFFERS),
    answered("server-metrics", "`bascule ctl status` shows the workers."),
    answered("script-user", OWN_PROCESS),
    answered("script-group", OWN_PROCESS),
    answered("supplementary-groups", "With `user`, Bascule takes that user's groups."),
    answered("chroot", "RootDirectory= of systemd, or a container."),
    # Directives of Apache itself.
    converted("Alias", "static", by=alias, repeats=True),
    Setting("Listen", (), listen, "bind", "An address of its own, or behind a proxy."),
    Setting("VirtualHost", (), listen, "bind", "An address of its own, or behind a proxy."),
    answered(
        "ServerName",
        "Bascule serves every host; Django has ALLOWED_HOSTS, and `mount` knows hosts.",
    ),
    answered(
        "ServerAlias",
        "Bascule serves every host; Django has ALLOWED_HOSTS, and `mount` knows hosts.",
    ),
    answered("ServerAdmin", "Error pages belong to the application."),
    answered(
        "DocumentRoot", '`static = ["/=DIRECTORY"]` serves files in front of the application.'
    ),
    converted("SSLCertificateFile", "ssl_certfile"),
    converted("SSLCertificateKeyFile", "ssl_keyfile"),
    converted("SSLCACertificateFile", "ssl_ca_certs"),
    answered("SSLCertificateChainFile", "The file of `ssl_certfile` has the chain, too."),
    answered("SSLEngine", "`ssl_certfile` turns TLS on.", harmless=("on", "off")),
    converted(
        "SSLVerifyClient",
        "ssl_cert_reqs",
        by=lambda value, others: Outcome(
            {"ssl_cert_reqs": {"require": "required"}.get(str(value).lower(), str(value).lower())}
        ),
    ),
    *(
        answered(name, "TLS 1.2 and 1.3 with the ciphers of OpenSSL; for others, a proxy.")
        for name in ("SSLProtocol", "SSLCipherSuite", "SSLHonorCipherOrder", "SSLSessionTickets")
    ),
    Setting("ErrorLog", (), error_log, "", "The log goes to stderr."),
    answered("CustomLog", "The access log goes to stdout; the service manager keeps it."),
    answered("LogFormat", 'The format is fixed; `log_format = "json"` is for programs.'),
    converted("LogLevel", "log_level", by=level),
    converted("KeepAlive", "timeout_keep_alive", by=keep_alive),
    converted("KeepAliveTimeout", "timeout_keep_alive", by=keep_alive),
    answered("MaxKeepAliveRequests", "Bascule has no limit of requests for one connection."),
    answered(
        "Timeout",
        "`timeout_request_head`, `limit_body_rate` and `timeout_write` are for slow clients, "
        "`request_timeout` for the application.",
    ),
    answered("RequestReadTimeout", "`timeout_request_head` and `limit_body_rate` do it."),
    converted("LimitRequestBody", "limit_request_body", by=body),
    converted("LimitRequestLine", "limit_request_line"),
    converted("LimitRequestFields", "limit_request_fields"),
    answered("LimitRequestFieldSize", "`limit_request_head` is the limit of the whole head."),
    converted("Header", "header", by=header, repeats=True),
    Setting("SetEnv", (), variables, "env_file", "A variable of the process.", repeats=True),
    answered("SetEnvIf", PROXY, repeats=True),
    answered("Protocols", "`http` has the versions of HTTP."),
    *each(
        PROXY,
        "Redirect RedirectMatch RedirectPermanent RewriteEngine RewriteCond RewriteRule ProxyPass "
        "ProxyPassReverse ProxyPreserveHost RequestHeader AddOutputFilterByType ExpiresActive "
        "ExpiresByType ExpiresDefault ErrorDocument AddType AddCharset",
    ),
    *each(
        ACCESS,
        "Require Order Allow Deny Satisfy Options AllowOverride DirectoryIndex SetHandler "
        "AddHandler ForceType AuthType AuthName AuthUserFile",
    ),
)

TABLE = Table(
    "mod_wsgi",
    "mod_wsgi",
    SETTINGS,
    defaults={
        "threads": "mod_wsgi's daemon processes have 15 threads, Bascule 8.",
        "Alias": "Static files of a Django project are served from STATIC_ROOT without a setting.",
    },
)
