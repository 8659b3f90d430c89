"""The WSGI environ (PEP 3333, "environ Variables") of one request.

The variables that are the same for all requests of a connection are made once, and copied.
"""

from urllib.parse import unquote_to_bytes

from bascule.interfaces.endpoint import Endpoint
from bascule.pep3333 import add_fields, base_environ, strip_root
from bascule.protocols.events import Request
from bascule.types import Environ

PERCENT = 0x25
# Keys that each request has, most of them with a value of its own.
OF_REQUESTS = (
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "RAW_URI",
    "REQUEST_URI",
    "SERVER_PROTOCOL",
)


def connection_environ(endpoint: Endpoint, multithread: bool, multiprocess: bool) -> Environ:
    """Return the environ that the requests of a connection have in common."""
    environ = base_environ(
        endpoint.scheme, endpoint.server, endpoint.client, multithread, multiprocess
    )
    environ["SERVER_SOFTWARE"] = "bascule"
    for key in OF_REQUESTS:
        # A place for each: a copy of the dictionary then has room for header fields as well, and
        # need not grow.
        environ[key] = ""
    environ["SERVER_PROTOCOL"] = "HTTP/1.1"
    if endpoint.client is None:
        environ["REMOTE_ADDR"] = ""
    if endpoint.tls_environ:
        environ.update(endpoint.tls_environ)
    if endpoint.scheme != "https":
        # A proxy that is connected by TLS can say that its client is not.
        environ.pop("HTTPS", None)
    return environ


def request_environ(base: Environ, request: Request, root_path: str, mounted: str) -> Environ:
    """Return the environ of a request, without the parts that need the exchange (`wsgi.input` and
    callables).

    root_path: the prefix that a proxy has stripped, or not; a prefix in the request itself counts
        more.
    mounted: the path at which the application is mounted.
    """
    environ = base.copy()
    root_path = request.root_path or root_path
    path = request.path
    if PERCENT in path:
        path = unquote_to_bytes(path)
    # PEP 3333: text in environ is latin-1, so that no byte is lost.
    path_info = path.decode("latin-1")
    if root_path:
        path_info = strip_root(path_info, root_path)
    if mounted:
        path_info = strip_root(path_info, mounted)
    environ["REQUEST_METHOD"] = request.method
    if root_path or mounted:
        environ["SCRIPT_NAME"] = root_path + mounted
    environ["PATH_INFO"] = path_info
    if request.query:
        environ["QUERY_STRING"] = request.query.decode("latin-1")
    environ["RAW_URI"] = environ["REQUEST_URI"] = request.target.decode("latin-1")
    if request.http_version != "1.1":
        environ["SERVER_PROTOCOL"] = "HTTP/" + request.http_version
    add_fields(environ, request.fields)
    return environ
