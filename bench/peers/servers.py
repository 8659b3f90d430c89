"""The servers measured and how each is started: one process, eight threads where it has threads,
no access log, keep-alive, HTTP/1.1 where HTTP/2 is not what is measured, WebSockets off where none
are measured, and otherwise what its own documentation recommends for speed.

Placeholders: {app} {port} {cert} {key}. Commands run in bench/, with bench/.venv/bin
first on PATH.
"""

from dataclasses import dataclass

THREADS = "8"
WEBSOCKET_THREADS = "64"


@dataclass(frozen=True)
class Server:
    """One row of the table.

    `tls` is what to add to serve TLS, with `plain` what to leave in for cleartext instead; a
    server whose `tls` is None cannot serve it. `is_ceiling` marks what no server can reach, since
    it does less.
    """

    name: str
    label: str
    interface: str  # "asgi", "wsgi", or "hybrid"
    package: str  # the distribution whose version is reported
    command: str
    plain: str = ""
    tls: str | None = None
    is_ours: bool = False
    is_ceiling: bool = False

    def arguments(self, app: str, port: int, cert: str, key: str, with_tls: bool) -> list[str]:
        """The command line, split into words. Raises `ValueError` when TLS is wanted of a
        server without.
        """
        if with_tls and self.tls is None:
            raise ValueError(f"{self.label} does not serve TLS")
        line = f"{self.command} {self.tls if with_tls else self.plain}"
        values = {"app": app, "port": port, "cert": cert, "key": key}
        return [word.format(**values) for word in line.split()]


BASCULE = "python -m bascule serve {app} --app-dir . --bind 127.0.0.1:{port} --log-level warning"
BASCULE_TLS = "--ssl-certfile {cert} --ssl-keyfile {key}"

UVICORN = (
    "python -m uvicorn {app} --host 127.0.0.1 --port {port} --loop uvloop --http httptools "
    "--no-proxy-headers --timeout-keep-alive 75"
)
UVICORN_QUIET = "--no-access-log --log-level warning"
UVICORN_WS = "--ws websockets-sansio --ws-per-message-deflate false"
UVICORN_TLS = "--ssl-certfile {cert} --ssl-keyfile {key}"

GRANIAN = (
    "granian {app} --host 127.0.0.1 --port {port} --workers 1 --http 1 --no-access-log "
    "--log-level warning"
)
GRANIAN_H2 = GRANIAN.replace("--http 1", "--http 2")
GRANIAN_TLS = "--ssl-certificate {cert} --ssl-keyfile {key}"

# Both versions of HTTP on one port; over TLS, ALPN decides. Its log goes to the terminal.
PEREGRINE = (
    "peregrine --host 127.0.0.1 --port {port} --workers 1 --no-websockets --log-level warning"
)
PEREGRINE_TLS = "--tls-cert {cert} --tls-key {key}"

FREASTAL = "python peers/freastal_server.py"

GUNICORN = (
    "gunicorn {app} --bind 127.0.0.1:{port} --workers 1 --keep-alive 75 --worker-tmp-dir /dev/shm "
    "--no-control-socket --log-level warning"
)
GUNICORN_TLS = "--certfile {cert} --keyfile {key}"


def _bascule_wsgi(name: str, label: str, threads: str) -> Server:
    command = f"{BASCULE} --no-access-log --interface wsgi --threads {threads}"
    return Server(name, label, "wsgi", "bascule", command, tls=BASCULE_TLS, is_ours=True)


def _granian_wsgi(name: str, label: str, threads: str, granian: str = GRANIAN) -> Server:
    command = f"{granian} --no-ws --interface wsgi --blocking-threads {threads}"
    return Server(name, label, "wsgi", "granian", command, tls=GRANIAN_TLS)


def _peregrine_wsgi(name: str, label: str, threads: str) -> Server:
    command = f"{PEREGRINE} --protocol wsgi --wsgi-threads {threads} {{app}}"
    return Server(name, label, "wsgi", "peregrine-server", command, tls=PEREGRINE_TLS)


TABLE = (
    Server(
        "bascule", "Bascule", "asgi", "bascule",
        f"{BASCULE} --no-access-log --interface asgi "
        "--asgi-extensions +http.response.pathsend",
        tls=BASCULE_TLS, is_ours=True,
    ),
    Server(
        "granian", "Granian", "asgi", "granian",
        f"{GRANIAN} --no-ws --interface asgi --loop uvloop", tls=GRANIAN_TLS,
    ),
    Server(
        "uvicorn", "Uvicorn", "asgi", "uvicorn",
        f"{UVICORN} --ws none {UVICORN_QUIET}", tls=UVICORN_TLS,
    ),
    Server(
        "peregrine", "Peregrine", "asgi", "peregrine-server",
        f"{PEREGRINE} --protocol asgi {{app}}", tls=PEREGRINE_TLS,
    ),
    Server(
        "h2corn", "h2corn", "asgi", "h2corn",
        "h2corn {app} --bind 127.0.0.1:{port} --workers 1 --loop uvloop --no-access-log",
        tls="--certfile {cert} --keyfile {key}",
    ),
    # Version 0.0.3 serves hello world only: it resets the connection of an upload of 64 KB, and of
    # a response in several messages it sends the last one. It sends no Date.
    Server(
        "freastal", "freastal", "asgi", "freastal", f"{FREASTAL} asgi {{app}} {{port}}",
        tls="{cert} {key}",
    ),
    Server(
        "gunicorn-asgi", "Gunicorn asgi", "asgi", "gunicorn",
        f"{GUNICORN} -k asgi --asgi-loop uvloop", tls=GUNICORN_TLS,
    ),
    Server(
        "hypercorn", "Hypercorn", "asgi", "hypercorn",
        "hypercorn {app} --bind 127.0.0.1:{port} --workers 1 --worker-class uvloop "
        "--keep-alive 75 --log-level warning --config file:apps/hypercorn_settings.py",
        tls="--certfile {cert} --keyfile {key}",
    ),
    Server(
        "daphne", "Daphne", "asgi", "daphne", "daphne -v 0 {app}",
        plain="-b 127.0.0.1 -p {port}",
        tls="-e ssl:{port}:interface=127.0.0.1:privateKey={key}:certKey={cert}",
    ),
    Server(
        "bascule-log", "Bascule, access log on", "asgi", "bascule",
        f"{BASCULE.replace('warning', 'info')} --access-log --interface asgi", is_ours=True,
    ),
    Server(
        "uvicorn-log", "Uvicorn, access log on", "asgi", "uvicorn",
        f"{UVICORN} --ws none --access-log --log-level info",
    ),
    Server(
        "bascule-hybrid", "Bascule, both sides", "hybrid", "bascule",
        # It serves a project, which is no app of one interface.
        f"{BASCULE.replace('{app}', 'djangosite')} --no-access-log --threads {THREADS}",
        tls=BASCULE_TLS, is_ours=True,
    ),
    _bascule_wsgi("bascule-wsgi", "Bascule, 8 threads", THREADS),
    _bascule_wsgi("bascule-wsgi-1", "Bascule, 1 thread", "1"),
    _bascule_wsgi("bascule-wsgi-0", "Bascule, --threads 0", "0"),
    _granian_wsgi("granian-wsgi", "Granian, 8 threads", THREADS),
    _granian_wsgi("granian-wsgi-1", "Granian, 1 thread", "1"),
    Server(
        "granian-h2", "Granian", "asgi", "granian",
        f"{GRANIAN_H2} --no-ws --interface asgi --loop uvloop", tls=GRANIAN_TLS,
    ),
    _granian_wsgi("granian-wsgi-h2", "Granian, 8 threads", THREADS, GRANIAN_H2),
    _granian_wsgi("granian-wsgi-1-h2", "Granian, 1 thread", "1", GRANIAN_H2),
    _peregrine_wsgi("peregrine-wsgi", "Peregrine, 8 threads", THREADS),
    _peregrine_wsgi("peregrine-wsgi-1", "Peregrine, 1 thread", "1"),
    Server(
        "freastal-wsgi", "freastal, no threads", "wsgi", "freastal",
        f"{FREASTAL} wsgi {{app}} {{port}}", tls="{cert} {key}",
    ),
    Server(
        "gunicorn-gthread", "Gunicorn gthread", "wsgi", "gunicorn",
        f"{GUNICORN} -k gthread --threads {THREADS}", tls=GUNICORN_TLS,
    ),
    Server(
        "waitress", "Waitress", "wsgi", "waitress",
        f"waitress-serve --listen=127.0.0.1:{{port}} --threads={THREADS} --connection-limit=2000 "
        "--asyncore-use-poll {app}",
    ),
    Server(
        "fastwsgi", "FastWSGI, no threads", "wsgi", "fastwsgi",
        "fastwsgi --host 127.0.0.1 --port {port} --loglevel 2 {app}",
    ),
    Server(
        "bascule-ws", "Bascule", "asgi", "bascule",
        f"{BASCULE} --no-access-log --interface asgi --limit-connections 20000", is_ours=True,
    ),
    Server(
        "bascule-wsgi-ws", "Bascule WSGI", "wsgi", "bascule",
        f"{BASCULE} --no-access-log --interface wsgi --threads {THREADS} "
        f"--websocket-threads {WEBSOCKET_THREADS}",
        is_ours=True,
    ),
    Server(
        "granian-ws", "Granian", "asgi", "granian",
        f"{GRANIAN} --ws --interface asgi --loop uvloop",
    ),
    Server("uvicorn-ws", "Uvicorn", "asgi", "uvicorn", f"{UVICORN} {UVICORN_WS} {UVICORN_QUIET}"),
    Server(
        "picows", "picows without an app", "asgi", "picows",
        "python peers/bare_websocket.py {app} {port}", is_ceiling=True,
    ),
)  # fmt: skip

SERVERS = {server.name: server for server in TABLE}
