"""Where an application is mounted: a host, a path below which everything is its own, or both.

    /api                  this path and what is below it, on every host
    api.example.com       everything on this host
    *.example.com/v1      a path on every host below example.com
    /                     everything

Of several that fit, the host that says more wins, then the longer path. Nothing here knows of
applications.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

# RFC 9110 section 7.2, without its port; the wildcard stands for whole labels.
HOST = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9._\-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
# RFC 3986 section 3.3, as people write it: not percent-encoded.
PREFIX = re.compile(r"(?:/[^/?#%\x00-\x20\x7f]+)*")

WILDCARD = "*."
PERCENT = 0x25


@dataclass(frozen=True, slots=True)
class MountPoint:
    """host: in lower case, "" for every host, or beginning with "*.". prefix: "" or "/path",
    without a slash at the end."""

    host: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.host}{self.prefix}" or "/"

    @property
    def precedence(self) -> tuple[bool, bool, int, int]:
        """Sorts those that say more before those that say less."""
        return (
            not self.host,
            self.host.startswith(WILDCARD),
            -len(self.host),
            -len(self.prefix),
        )

    def serves(self, host: str, path: str) -> bool:
        """Whether a request is its own. host: in lower case, without port. path: decoded."""
        if self.prefix and path != self.prefix and not path.startswith(self.prefix + "/"):
            return False
        if self.host.startswith(WILDCARD):
            return host.endswith(self.host[1:])
        return not self.host or host == self.host


def parse_mount_point(text: str) -> MountPoint:
    """Read HOST, /PATH or HOST/PATH. Raises ValueError."""
    host, slash, path = text.partition("/")
    prefix = (slash + path).rstrip("/")
    host = host.lower()
    if not text:
        raise ValueError("is empty; give / for everything")
    if host and HOST.fullmatch(host) is None:
        raise ValueError(f"{host!r} is not a host without a port")
    if PREFIX.fullmatch(prefix) is None:
        raise ValueError(f"{prefix!r} is not a path such as /api")
    return MountPoint(host, prefix)


def host_of(authority: str) -> str:
    """The host of a Host field, in lower case, without its port."""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower()


def path_below(raw: bytes, root: str) -> str:
    """The path of a request as applications see it: decoded, and below the root path, which a
    proxy may have stripped already."""
    path = (unquote_to_bytes(raw) if PERCENT in raw else raw).decode("utf-8", "replace")
    if root and (path == root or path.startswith(root + "/")):
        return path[len(root) :]
    return path
