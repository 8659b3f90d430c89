"""The same warning many times becomes one line and a count.

A client can cause any of these warnings a million times, and a log that fills the disk is an
attack of its own (CVE-2025-47287).
"""

import logging


class RateLimited:
    """Logs the first warning of a kind at once, then only how many followed, now and then."""

    def __init__(self, logger: logging.Logger, per_seconds: float) -> None:
        self._logger = logger
        self._per_seconds = per_seconds
        self._kinds: dict[str, _Kind] = {}

    def warning(self, kind: str, message: str, now: float) -> None:
        """Log `message`, or count it if its kind was logged less than the interval before.

        kind: one of the server's own few words, never something that a client sent.
        now: seconds on any clock that does not go backwards.
        """
        known = self._kinds.get(kind)
        if known is not None:
            self._report(kind, known, now)
            if now - known.since < self._per_seconds:
                known.count += 1
                known.latest = message
                return
        self._kinds[kind] = _Kind(now)
        self._logger.warning("%s", message)

    def flush(self, now: float) -> None:
        """Log the counts that are due, for a worker's tick; costs nothing when there are none."""
        for kind, known in self._kinds.items():
            self._report(kind, known, now)

    def _report(self, kind: str, known: "_Kind", now: float) -> None:
        if known.count and now - known.since >= self._per_seconds:
            self._logger.warning(
                "%d more like this in %.0f s (%s), the last: %s",
                known.count,
                now - known.since,
                kind,
                known.latest,
            )
            known.since, known.count = now, 0


class _Kind:
    """Since when warnings of a kind are only counted, how many, and the last of them."""

    __slots__ = ("count", "latest", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.count = 0
        self.latest = ""
