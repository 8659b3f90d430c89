"""Whether a function of Django's is still the one that Django has made. Tools that watch a project
put functions of theirs there, and are to see its requests: nothing of ours stands in for those."""

from types import FunctionType


def is_original(owner: type, *methods: str) -> bool:
    """All these methods of the class are functions of the module that defines it, and none has a
    mark on it."""
    there = vars(owner)
    return all(is_of_module(there.get(name), owner.__module__) for name in methods)


def is_of_module(function: object, module: str) -> bool:
    """Whether it is a plain function of that module, without a mark."""
    return (
        type(function) is FunctionType
        and function.__globals__["__name__"] == module
        and not vars(function)
    )


def has_known_attributes() -> bool:
    """Whether Django has the private attributes that its handlers are read by here: the receivers
    of a signal, the closers of a response, and the place of the connections.

    None of them is documented, so any version of Django may rename them.
    """
    from django.db import connections
    from django.dispatch import Signal
    from django.http.response import HttpResponseBase

    return (
        hasattr(Signal, "_live_receivers")
        and hasattr(HttpResponseBase(content_type="text/plain"), "_resource_closers")
        and hasattr(connections, "_connections")
    )
