"""What a worker is given to serve."""

from dataclasses import dataclass
from typing import Any

from bascule.mounting import MountPoint

EVERYWHERE = MountPoint("", "")


@dataclass(frozen=True, slots=True)
class Application:
    """One application of a worker.

    app: the callable. interface: "asgi3", "asgi2" or "wsgi". target: what it was named by, "" for
    an object. point: where it is mounted; None for the application of WebSockets alone.
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
