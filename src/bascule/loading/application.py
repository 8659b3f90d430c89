"""What a worker is given to serve."""

from dataclasses import dataclass
from typing import Any

from bascule.mounting import MountPoint

EVERYWHERE = MountPoint("", "")
# The interface of an application that is called by both: a `Hybrid`.
HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class Application:
    """One application of a worker.

    app: the callable; for "hybrid" a `Hybrid`, which has several. interface: "asgi3", "asgi2",
    "wsgi" or "hybrid". target: what it was named by, "" for an object. point: where it is mounted;
    None for the application of WebSockets alone.
    """

    app: Any
    interface: str
    target: str = ""
    point: MountPoint | None = EVERYWHERE

    @property
    def place(self) -> str:
        """Where it is, in words for people; nothing where it has everything."""
        if self.point is None:
            return "for WebSockets"
        return "" if self.point == EVERYWHERE else f"at {self.point}"
