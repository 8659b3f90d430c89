"""Serves the project by the standard library, for comparison: plain_wsgi.py FD."""

import signal
import socket
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from watched.wsgi import application

listener = socket.socket(fileno=int(sys.argv[1]))
server = WSGIServer(listener.getsockname(), WSGIRequestHandler, bind_and_activate=False)
server.socket.close()
server.socket = listener
server.server_name, server.server_port = listener.getsockname()
server.setup_environ()
# Not set_app, which newrelic wraps: the application has its own wrapper.
server.application = application
# Not a KeyboardInterrupt, which is an error to sentry-sdk.
signal.signal(signal.SIGINT, lambda *_: sys.exit())
server.serve_forever()
