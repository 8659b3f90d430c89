"""Hints for a TARGET that is no application: what to name instead.

Used only for error messages. It inspects the object, calls nothing, and never raises.
"""

import inspect
from typing import Any

from bascule.loading.detect import attribute, guess_interface, is_a, path_of, signature_of

# Attributes that are applications, and methods that make one.
APPLICATIONS = ("server", "wsgi_app", "asgi_app", "app", "application")
FACTORIES = ("as_asgi", "wsgifunc", "make_wsgi_app")
# By how the path of the class begins.
OTHERS = {
    "aiohttp.web": "aiohttp has its own server: call aiohttp.web.run_app",
    "aiohttp_wsgi.": "It serves a WSGI application by aiohttp; give that application itself",
    "tornado.web.": "Tornado has its own server: call the application's listen()",
    "tornado.wsgi.": "It serves a WSGI application by Tornado; give that application itself",
    "socketio.async_server.": "Give socketio.ASGIApp(server), which contains it",
    "socketio.server.": "Give socketio.WSGIApp(server), which contains it",
    "flask.blueprints.": "A blueprint is a part of a Flask application; give the application",
}


def what_instead(thing: Any) -> str:
    """A line that begins with a line break; "" where nothing is known."""
    hint = known(thing) or inside(thing) or shape(thing)
    return f"\n{hint}" if hint else ""


def known(thing: Any) -> str:
    """The description of an object by the module of its class."""
    kinds = [path_of(kind) for kind in type(thing).__mro__]
    found = (OTHERS[start] for kind in kinds for start in OTHERS if kind.startswith(start))
    return next(found, "")


def inside(thing: Any) -> str:
    """An application that it has, or would make."""
    for name in () if is_a(thing, type) else APPLICATIONS:
        inner = attribute(thing, name)
        if callable(inner) and (interface := guess_interface(inner)) is not None:
            return f"Its attribute {name} is one ({interface}): append .{name} to TARGET"
    for name in FACTORIES:
        if callable(attribute(thing, name)):
            return f"Its {name}() makes one: append .{name} to TARGET, and add --factory"
    return ""


def shape(thing: Any) -> str:
    """The usual meaning of a class, or of a function of one parameter."""
    if is_a(thing, type):
        return "It is a class; usually an instance of it is the application"
    signature = signature_of(thing) if callable(thing) else None
    first = next(iter(signature.parameters), "") if signature is not None else ""
    if first == "request" or (first and is_of_one(signature)):
        return "It looks like a view; give the application that sends requests to it"
    return ""


def is_of_one(signature: inspect.Signature | None) -> bool:
    if signature is None:
        return False
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    return kinds == [inspect.Parameter.POSITIONAL_OR_KEYWORD]
