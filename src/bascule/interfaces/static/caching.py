"""Cache-Control of files (RFC 9111 section 5.2.2).

A name that contains a hash of its content never means anything else, so browsers need not ask
again (`immutable`, RFC 8246). Such names are known from a manifest that lists them, or by the
forms that Vite, webpack and others give them. Everything else is asked for again after a short
time.
"""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

# A year, the longest that caches are asked for.
FOREVER = b"public, max-age=31536000, immutable"

# name-CfX8fQ3k.js (Vite: eight characters of base64url, with a digit or a capital among them);
# name.4f2a9c1be03d.css (webpack, parcel, Django: at least eight hexadecimal digits)
VITE = re.compile(rb"-(?=[A-Za-z_-]*[0-9A-Z])[A-Za-z0-9_-]{8}\.[a-z0-9]+(?:\.[a-z0-9]+)?$")
HEXADECIMAL = re.compile(rb"[.-](?=[a-f]*[0-9])[0-9a-f]{8,64}\.(?:chunk\.)?[a-z0-9]+(?:\.map)?$")


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """The instructions for caches.

    max_age: seconds for which a file is used without asking; 0 has caches ask each time.
    hashed: exactly the paths whose names contain a hash; None to tell them by their form.
    patterns: Cache-Control for paths that match a shell pattern; the first that matches counts.
    """

    max_age: int = 60
    hashed: Container[bytes] | None = None
    patterns: Sequence[tuple[str, bytes]] = ()

    def field(self, path: bytes) -> bytes:
        """Return Cache-Control for a path below the root."""
        if self.patterns:
            name = path.decode("utf-8", "surrogateescape")
            for pattern, value in self.patterns:
                if fnmatchcase(name, pattern):
                    return value
        if self.is_hashed(path):
            return FOREVER
        return b"public, max-age=%d" % self.max_age if self.max_age else b"no-cache"

    def is_hashed(self, path: bytes) -> bool:
        """Whether the name contains a hash of the content."""
        if self.hashed is not None:
            return path in self.hashed
        return HEXADECIMAL.search(path) is not None or VITE.search(path) is not None
