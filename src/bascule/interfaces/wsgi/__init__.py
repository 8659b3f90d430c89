"""Calling WSGI applications (PEP 3333): in threads, on the loop, and with WebSockets."""
