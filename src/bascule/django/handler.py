"""Django's ASGI application without the cost of its middleware, for the asgi.py of a project:

from bascule.django.handler import get_asgi_application
"""

from bascule.django.handlers.asgi import get_asgi_application

__all__ = ["get_asgi_application"]
