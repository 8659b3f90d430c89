"""Django's handlers, for ASGI and WSGI, at less than their usual cost."""
