"""The quick way for an awaitable to give its result: the type slot `am_send`.

The other thing that Python cannot say. An awaitable that is written by hand ends with
StopIteration, which makes an exception, and a frame for each function that it passes through, to
carry every message that an application receives. C types, as asyncio's Future is one, have a slot
that returns the result instead. sending.pxd fills it in for the compiled awaitables; not compiled,
there is nothing to do. This module itself is never compiled.
"""


def install(kind: type) -> None:
    """Let the interpreter step awaitables of this type, `Receive` or `Drained`, by their slot."""
