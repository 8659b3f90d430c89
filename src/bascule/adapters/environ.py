"""The WSGI environ (PEP 3333, "environ Variables") of an ASGI scope."""

from typing import Any
from urllib.parse import unquote_to_bytes

from bascule.pep3333 import add_fields, base_environ, strip_root
from bascule.types import Environ, Headers, Scope

URL_SCHEMES = {"ws": "http", "wss": "https"}


def scope_environ(scope: Scope, multithread: bool) -> Environ:
    """Return the environ, without the parts that need the call (`wsgi.input` and callables)."""
    scheme: str = scope.get("scheme", "http")
    scheme = URL_SCHEMES.get(scheme, scheme)
    root_path = scope.get("root_path", "").rstrip("/")
    # PEP 3333: text in environ is latin-1, so that no byte is lost.
    root = root_path if root_path.isascii() else root_path.encode().decode("latin-1")
    path = whole_path(scope, root_path)
    environ = base_environ(scheme, scope.get("server"), scope.get("client"), multithread, False)
    environ["REQUEST_METHOD"] = scope.get("method", "GET")
    environ["SCRIPT_NAME"] = root
    environ["PATH_INFO"] = strip_root(path, root) if root else path
    environ["QUERY_STRING"] = scope.get("query_string", b"").decode("latin-1")
    environ["SERVER_PROTOCOL"] = "HTTP/" + scope.get("http_version", "1.1")
    environ["asgi.scope"] = scope
    stopping = scope.get("extensions", {}).get("bascule.stopping")
    if stopping is not None and "event" in stopping:
        environ["bascule.stopping"] = stopping["event"]
    add_fields(environ, safe_fields(scope["headers"]))
    return environ


def safe_fields(fields: Any) -> Headers:
    """Return the fields without those whose key is that of another one, names with an underscore,
    or is a setting ("Proxy", CVE-2016-5385). Servers other than Bascule may pass them on."""
    lowered = ((bytes(name).lower(), bytes(value)) for name, value in fields)
    return [field for field in lowered if b"_" not in field[0] and field[0] != b"proxy"]


def whole_path(scope: Scope, root_path: str) -> str:
    """Return the decoded path, SCRIPT_NAME included, with each byte as a character.

    ASGI's `path` has lost the bytes that are not UTF-8. `raw_path` has them, but only counts where
    no middleware has changed `path`; some servers leave the root out of it.
    """
    path: str = scope["path"]
    if path.isascii():
        return path
    raw_path = scope.get("raw_path")
    if raw_path:
        decoded = unquote_to_bytes(raw_path.partition(b"?")[0])
        text = decoded.decode("utf-8", "replace")
        if text == path:
            return decoded.decode("latin-1")
        if root_path + text == path:
            return (root_path.encode() + decoded).decode("latin-1")
    return path.encode("utf-8", "surrogateescape").decode("latin-1")
