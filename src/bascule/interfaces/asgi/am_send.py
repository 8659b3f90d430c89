"""The type slot `am_send`, by which an awaitable returns its result without an exception.

A hand-written awaitable ends with StopIteration. For every message that an application receives,
that would create an exception, and a traceback entry for each function that it passes through. C
types such as asyncio's Future have a slot that returns the result instead. am_send.pxd fills in
the slot for the compiled awaitables; uncompiled, this function does nothing. This module itself is
never compiled.
"""


def install(kind: type) -> None:
    """Let the interpreter step the awaitables of this type through their slot."""
