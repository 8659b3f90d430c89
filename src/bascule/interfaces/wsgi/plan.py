"""The choices that the calls of a WSGI application are given."""

from dataclasses import dataclass

from bascule.interfaces.exchange import WebSocketPlan
from bascule.interfaces.wsgi.body import PATIENCE


@dataclass(frozen=True, slots=True)
class WsgiPlan:
    """Made once for a worker, and never changed.

    threads: run the calls; 0 for calls on the loop, one at a time.
    queue_limit: most requests that wait for a thread; further ones are answered 503.
    body_limit: bytes of the longest body without Content-Length that is collected; 0 for none.
    root_path: the path that a proxy removes from each request.
    websockets: None where they are not wanted.
    queue_timeout: seconds after which a request that waits for a thread is answered 503; 0 for no
        limit.
    body_patience: ticks without a byte after which such a body has stopped coming.
    multiprocess: other processes call the application as well.
    beside_asgi: the application is one side of a project that is called by ASGI, too.
    """

    threads: int
    queue_limit: int
    body_limit: int
    root_path: str = ""
    websockets: WebSocketPlan | None = None
    queue_timeout: float = 0.0
    body_patience: int = PATIENCE
    multiprocess: bool = False
    beside_asgi: bool = False
