"""The applications that a worker serves."""

from dataclasses import dataclass
from typing import Any

from bascule.mounting import MountPoint

EVERYWHERE = MountPoint("", "")
# The interface of an application that is called by both: a `Hybrid`.
HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class StaticSite:
    """Files that a project has for the server to send.

    path: where, without a slash at its end; one without a slash in front is below the path that
        the project is mounted at.
    directory: an absolute path.
    name: what the project calls it, for people.
    hashed: exactly the names below it that contain a hash of their content; None to tell them by
        their form.
    """

    path: str
    directory: str
    name: str
    hashed: frozenset[bytes] | None = None

    def point(self, application: MountPoint) -> MountPoint:
        """Return the mount point, for an application that is mounted itself."""
        if self.path.startswith("/"):
            return MountPoint(application.host, self.path)
        return MountPoint(application.host, f"{application.prefix}/{self.path}")


@dataclass(frozen=True, slots=True)
class Application:
    """One application of a worker.

    app: the callable; for "hybrid" a `Hybrid`, which has several. interface: "asgi3", "asgi2",
    "wsgi" or "hybrid". target: what it was named by, "" for an object. point: where it is mounted;
    None for the application of WebSockets alone. static: the files that it leaves to the server.
    listener: the address of `--listen` that it serves, and nothing else; "" for one of HTTP.
    """

    app: Any
    interface: str
    target: str = ""
    point: MountPoint | None = EVERYWHERE
    static: StaticSite | None = None
    listener: str = ""

    @property
    def place(self) -> str:
        """Where it is, in words for people; nothing where it has everything."""
        if self.listener:
            return f"at {self.listener}"
        if self.point is None:
            return "for WebSockets"
        return "" if self.point == EVERYWHERE else f"at {self.point}"
