"""A WSGI application that runs an ASGI application on a loop in a background thread.

    ASGIToWSGI   the application that the server calls

One request is a `LoopCall`, a WebSocket is in `websocket_for_asgi`.
"""

from collections.abc import Iterable

from bascule.adapters.background import Backgrounds
from bascule.adapters.loop_call import LoopCall
from bascule.adapters.scope import environ_scope
from bascule.types import ASGI3App, Environ, StartResponse


class ASGIToWSGI:
    """Runs the ASGI 3 application `app` as a WSGI application.

        application = SomeWSGIMiddleware(ASGIToWSGI(asgi_application))

    Its loop and its lifespan begin with the first request and end with the process, or with
    `close`. Exceptions of the application reach the server. With `pathsend` the application may
    leave files to the server (`wsgi.file_wrapper`); ASGI middleware that changes responses does
    not see those files.
    """

    def __init__(self, app: ASGI3App, pathsend: bool = False) -> None:
        self.app = app
        self.pathsend = pathsend
        self.backgrounds = Backgrounds(app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        background = self.backgrounds.get()
        # Not by its Upgrade field: over HTTP/2 a handshake has none (RFC 8441 section 5).
        if environ.get("wsgi.websocket") is not None:
            # Imported lazily: most servers have no WebSockets.
            from bascule.adapters.websocket_for_asgi import serve_websocket

            return serve_websocket(background, environ, start_response)
        call = LoopCall(
            background, environ, environ_scope(environ, background.state, self.pathsend)
        )
        return call.begin(start_response)

    def close(self) -> None:
        """Run lifespan shutdown now, not at the end of the process."""
        self.backgrounds.stop()
