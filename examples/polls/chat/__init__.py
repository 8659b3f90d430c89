"""The chat room: a page, and the WebSocket behind it. Nothing of it is stored.

The page is a part of the site like any other. The WebSocket needs Channels and the ASGI side;
where either is missing, the page says so and the rest of the site is as it was.
"""

from importlib.util import find_spec


def has_channels() -> bool:
    """Whether Channels is installed. It is not imported: the WSGI side has no use for it."""
    return find_spec("channels") is not None
