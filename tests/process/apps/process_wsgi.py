"""A WSGI application for tests of processes: what it does stands in the path."""

import threading
import time

LARGE = b"0123456789abcdef" * 65536


def application(environ, start_response):
    return PATHS.get(environ["PATH_INFO"], hello)(environ, start_response)


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello from wsgi"]


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [body]


def large(environ, start_response):
    start_response("200 OK", [])
    return [LARGE]


def stream(environ, start_response):
    start_response("200 OK", [])
    return (LARGE for _ in range(8))


def page(environ, start_response):
    """100 kB, of which the server does not know that they are all."""
    start_response("200 OK", [])
    return (b"%04d" % number * 25_000 for number in range(1))


def stubborn(environ, start_response):
    """Never comes back."""
    print("stubborn begins")
    threading.Event().wait()


def guilty():
    while True:
        pass


def spin(environ, start_response):
    """Computes forever, in Python code."""
    guilty()


def nap(environ, start_response):
    """Keeps its thread for as many seconds as the query says."""
    time.sleep(float(environ["QUERY_STRING"]))
    return hello(environ, start_response)


def unhurried(environ, start_response):
    """Has something to do when its client has left."""
    try:
        environ["wsgi.input"].read()
    except OSError:
        print("tidied up:", sum(range(3_000_000)))
        raise


def fail(environ, start_response):
    raise ZeroDivisionError("the application's own")


def client(environ, start_response):
    start_response("200 OK", [])
    name = environ.get("SSL_CLIENT_S_DN") or "none"
    return [f"{environ['wsgi.url_scheme']} {name}".encode()]


PATHS = {
    "/echo": echo,
    "/large": large,
    "/stream": stream,
    "/page": page,
    "/stubborn": stubborn,
    "/spin": spin,
    "/nap": nap,
    "/unhurried": unhurried,
    "/fail": fail,
    "/client": client,
}
