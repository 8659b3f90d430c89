"""Whether a method is still the one that Django has made. Tools that watch a project put functions
of theirs there, and are to see its requests: nothing of ours stands in for those."""

from types import FunctionType


def is_original(owner: type, *methods: str) -> bool:
    """All these methods of the class are functions of the module that defines it, and nobody has
    put a mark on them."""
    found = [vars(owner).get(name) for name in methods]
    return all(
        type(one) is FunctionType
        and one.__globals__["__name__"] == owner.__module__
        and not vars(one)
        for one in found
    )
