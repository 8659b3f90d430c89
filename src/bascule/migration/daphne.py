"""Every option of Daphne."""

import re

from bascule.migration.conversions import (
    NOTHING_TO_DO,
    access_log,
    answered,
    application,
    converted,
    flag,
    items,
    number,
    whole,
)
from bascule.migration.shapes import Convert, Outcome, Setting, Settings, Table

# Daphne listens on all addresses that it is given; Bascule has `bind` for several.
ADDRESSES = ("host", "port", "unix_socket", "file_descriptor", "socket_strings")
DEFAULT_PORT = 8000
ESCAPED_COLON = "\\:"


def addresses(others: Settings) -> list[str]:
    """Return all addresses of a Daphne, as `bind` has them."""
    found: list[str] = []
    host, port = others.get("host"), others.get("port")
    if host or port is not None:
        name = str(host or "127.0.0.1")
        if ":" in name and not name.startswith("["):
            name = f"[{name}]"
        found.append(f"{name}:{whole(DEFAULT_PORT if port is None else port)}")
    if others.get("unix_socket"):
        found.append(f"unix:{others['unix_socket']}")
    if others.get("file_descriptor") is not None:
        found.append(f"fd://{whole(others['file_descriptor'])}")
    found += [one for text in items(others.get("socket_strings"), "\n") if (one := endpoint(text))]
    return found


def endpoint(text: str) -> str:
    """Return an endpoint of Twisted as an address; empty for one that Bascule does not have."""
    kind, *parts = re.split(r"(?<!\\):", text)
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    plain = [part.replace(ESCAPED_COLON, ":") for part in parts if "=" not in part]
    if kind in ("tcp", "tcp4", "tcp6", "ssl"):
        port = named.get("port") or (plain[0] if plain else "")
        host = named.get("interface", "0.0.0.0").replace(ESCAPED_COLON, ":")
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if kind == "unix":
        return f"unix:{named.get('address') or (plain[0] if plain else '')}"
    if kind == "fd":
        return f"fd://{named.get('fileno') or (plain[-1] if plain else '')}"
    return ""


def listening(value: object, others: Settings) -> Outcome:
    given = [name for name in ADDRESSES if others.get(name) not in (None, [], "")]
    if set(given) == {"port"}:
        return Outcome({"port": whole(value)})
    return (
        Outcome({"bind": found}) if (found := addresses(others)) else Outcome(remark=NOTHING_TO_DO)
    )


def endpoints(value: object, others: Settings) -> Outcome:
    remarks = []
    for text in items(value, "\n"):
        named = dict(part.split("=", 1) for part in re.split(r"(?<!\\):", text) if "=" in part)
        if text.startswith("ssl:"):
            certificate, key = named.get("certKey", ""), named.get("privateKey", "")
            found = dict(listening(value, others).values)
            if certificate:
                found["ssl_certfile"] = certificate
            if key:
                found["ssl_keyfile"] = key
            return Outcome(found, "With a certificate, all addresses of Bascule have TLS.")
        if not endpoint(text):
            remarks.append(
                f"Bascule has no counterpart to the endpoint {text}; a socket unit of systemd "
                f"opens "
                "sockets for it."
            )
    bound = listening(value, others)
    values = {} if bound.values.get("bind") == [] else dict(bound.values)
    return Outcome(values, " ".join(remarks))


def verbosity(value: object, others: Settings) -> Outcome:
    level = {0: "warning", 1: "info"}.get(whole(value), "debug")
    values: dict[str, object] = {"log_level": level}
    if level == "warning" and "access_log" not in others:
        values["access_log"] = False
    return Outcome(values)


def at_least(to: str, unlimited: object) -> Convert:
    """A number, for which -1 or less means no limit."""

    def convert(value: object, others: Settings) -> Outcome:
        return Outcome({to: unlimited if number(value) <= 0 else value})

    return convert


def message_size(value: object, others: Settings) -> Outcome:
    size = whole(value)
    if size == 0:
        return Outcome(remark="Bascule always has a limit; `ws_max_size` sets it (16 MiB).")
    return Outcome({"ws_max_size": size})


def proxy_header(value: object, others: Settings) -> Outcome:
    name = str(value).lower()
    if value in (False, None) or name == "x-forwarded-for":
        return Outcome(remark=NOTHING_TO_DO)
    return Outcome(
        remark="Bascule takes the client from X-Forwarded-For, or Forwarded with "
        '`forwarded_headers = ["forwarded"]`; have the proxy send one of them.'
    )


def server_name(value: object, others: Settings) -> Outcome:
    if not value:
        return Outcome({"server_header": False})
    return Outcome({"server_header": False, "header": [f"Server: {value}"]})


SETTINGS: tuple[Setting, ...] = (
    converted("application", "target", by=application),
    converted("port", "port", "-p", "--port", by=listening),
    converted("host", "bind", "-b", "--bind", by=listening, note="With the port: HOST:PORT."),
    answered(
        "websocket_timeout",
        "A WebSocket may last as long as the client answers pings (`ws_ping_timeout`).",
        "--websocket_timeout",
    ),
    answered(
        "websocket_connect_timeout",
        "`request_timeout` is also for the handshake of a WebSocket.",
        "--websocket_connect_timeout",
    ),
    converted("unix_socket", "bind", "-u", "--unix-socket", by=listening, note="As unix:PATH."),
    converted("file_descriptor", "bind", "--fd", by=listening, note="As fd://N."),
    converted(
        "socket_strings",
        "bind",
        "-e",
        "--endpoint",
        by=endpoints,
        repeats=True,
        note="tcp, ssl, unix and fd; with ssl, the `--ssl-` settings.",
    ),
    converted(
        "verbosity", "log_level", "-v", "--verbosity", by=verbosity, note="0 is warning, 2 debug."
    ),
    converted(
        "http_timeout",
        "request_timeout",
        "-t",
        "--http-timeout",
        by=at_least("request_timeout", "none"),
        note="Until the response begins.",
    ),
    converted(
        "access_log",
        "access_log",
        "--access-log",
        by=access_log,
        note="Always to stdout.",
    ),
    answered(
        "log_fmt",
        'The format of log lines is fixed; `log_format = "json"`, or `log_config`.',
        "--log-fmt",
    ),
    converted(
        "ping_interval",
        "ws_ping_interval",
        "--ping-interval",
        by=at_least("ws_ping_interval", "none"),
    ),
    converted(
        "ping_timeout",
        "ws_ping_timeout",
        "--ping-timeout",
        by=at_least("ws_ping_timeout", "none"),
        note="The default is 20 s, not 30.",
    ),
    converted(
        "websocket_max_message_size",
        "ws_max_size",
        "--websocket-max-message-size",
        by=message_size,
        note="The default is 16 MiB, not 1.",
    ),
    answered(
        "websocket_max_frame_size",
        "`ws_max_size` is also the limit of a frame.",
        "--websocket-max-frame-size",
    ),
    answered(
        "application_close_timeout",
        "The application learns of a disconnect by `http.disconnect` or `websocket.disconnect`; "
        "its "
        "call is not killed.",
        "--application-close-timeout",
    ),
    converted("root_path", "root_path", "--root-path"),
    converted(
        "proxy_headers",
        "proxy_headers",
        "--proxy-headers",
        by=flag("proxy_headers"),
        takes="nothing",
        note="On by default, for the proxies of `--forwarded-allow-ips`.",
    ),
    Setting(
        "proxy_headers_host",
        ("--proxy-headers-host",),
        proxy_header,
        "forwarded_headers",
        "X-Forwarded-For or Forwarded; no other names.",
    ),
    answered(
        "proxy_headers_port",
        "Bascule takes the port of the client from X-Forwarded-For or Forwarded, where it is "
        "named.",
        "--proxy-headers-port",
    ),
    converted(
        "server_name",
        "server_header",
        "-s",
        "--server-name",
        by=server_name,
        note="Another name with `--header` and `--no-server-header`.",
    ),
    converted(
        "no_server_name",
        "server_header",
        "--no-server-name",
        by=lambda value, others: Outcome({"server_header": False}),
        takes="nothing",
        note="`--no-server-header`.",
    ),
)

TABLE = Table(
    "daphne",
    "Daphne",
    SETTINGS,
    target="application",
    defaults={
        "proxy_headers": "Daphne uses fields of proxies only with --proxy-headers; Bascule uses "
        "those of proxies on the same machine, and drops those of all other clients.",
        "websocket_max_message_size": "Daphne's longest message is 1 MiB, Bascule's 16 MiB "
        "(`ws_max_size`).",
    },
)
