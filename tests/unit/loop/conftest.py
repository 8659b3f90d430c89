"""Both loops, both kinds of transports, and certificates for TLS."""

import ssl
import sys

import pytest
import trustme

from bascule.loop import acceptor, new_event_loop


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request):
    made = new_event_loop(request.param)
    yield made
    made.run_until_complete(made.shutdown_default_executor())
    made.close()


@pytest.fixture(params=["fast", "loop"])
def transports(request, monkeypatch):
    """The transports that are used: those on a poller of our own and aiofastnet's, or without
    epoll and aiofastnet the loop's."""
    if request.param == "loop":
        monkeypatch.setattr(acceptor, "HAS_EPOLL", False)
        monkeypatch.setitem(sys.modules, "aiofastnet", None)
    return request.param


@pytest.fixture(scope="session")
def tls():
    """A server's context and a client's that trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
