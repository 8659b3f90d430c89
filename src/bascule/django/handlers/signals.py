"""The receivers of the signals that Django sends at the start and the end of each request."""

from collections.abc import Callable
from typing import Any

from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.db import close_old_connections, reset_queries

Receiver = Callable[..., object]

# Receivers of Django's own that only look after what lives in a thread.
AT_START: tuple[Receiver, ...] = (reset_queries, close_old_connections)
# Besides those, after what lives in the context of a request.
AT_END: tuple[Receiver, ...] = (close_old_connections, close_caches, reset_urlconf)


def sole_receivers(
    signal: Any, sender: type | None, known: tuple[Receiver, ...]
) -> list[Receiver] | None:
    """Return the receivers of the signal from that sender, if all are among `known`."""
    synchronous, asynchronous = signal._live_receivers(sender)
    if asynchronous or not all(any(r is k for k in known) for r in synchronous):
        return None
    receivers: list[Receiver] = synchronous
    return receivers


class Audience:
    """Whether exactly Django's own receivers hear a signal from a sender; asked for each request,
    found out when the receivers have changed."""

    def __init__(self, signal: Any, sender: type, djangos: tuple[Receiver, ...]) -> None:
        self.signal = signal
        self.sender = sender
        self.djangos = djangos
        # The receivers that were there, and what was found then.
        self._found: tuple[list[object], bool] = ([], False)

    def is_djangos(self) -> bool:
        receivers, is_djangos = self._found
        # Entries are tuples that stay, so that they compare by identity.
        if self.signal.receivers != receivers:
            receivers = list(self.signal.receivers)
            found = sole_receivers(self.signal, self.sender, self.djangos)
            is_djangos = found is not None and len(found) == len(self.djangos)
            self._found = receivers, is_djangos
        return is_djangos
