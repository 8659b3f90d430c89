"""The files of one directory, as responses: their fields, their precompressed neighbours, and the
small ones in memory.

A path is looked up in the file system at most once a second while it is asked for. In between the
answer comes from memory: which variants there are, their fields, and for small files the bytes.
Paths without a file are not remembered, because clients make up as many of those as they like.
"""

import os
from time import monotonic, time

from bascule.dates import http_date
from bascule.interfaces.static.caching import CachePolicy
from bascule.interfaces.static.codings import CODINGS, Coding, acceptable
from bascule.interfaces.static.conditions import Validators
from bascule.interfaces.static.media_types import media_type
from bascule.interfaces.static.paths import suffix_of
from bascule.interfaces.static.tree import Found, Tree
from bascule.protocols.headers import Fields

# Seconds for which a path is not looked up again.
FRESH_FOR = 1.0
# When a file was looked up that is to be looked up again in any case.
NEVER = float("-inf")
# Paths remembered at once.
MOST_PATHS = 4096
# A content up to this size is sent in one piece, and a file up to it may be kept in memory.
SENT_WHOLE = 262144
VARY = (b"vary", b"accept-encoding")
NOSNIFF = (b"x-content-type-options", b"nosniff")
RANGES = (b"accept-ranges", b"bytes")
# Fields that a 304 does not repeat (RFC 9110 section 15.4.5).
NOT_OF_304 = frozenset(
    {
        b"accept-ranges",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-type",
        b"x-content-type-options",
    }
)
COMPRESSED_SVG = ".svgz"


class Variant:
    """One representation of a file: the plain one, or one that is compressed.

    path: below the root.
    size: in bytes.
    identity: changes whenever the content does.
    validators: for conditional requests.
    fields: of every response with its content, without Content-Length.
    whole: the same with it, for responses with all of the content.
    not_modified: of a 304.
    body: its bytes, None where they are not in memory.
    """

    __slots__ = (
        "body",
        "fields",
        "identity",
        "not_modified",
        "path",
        "size",
        "validators",
        "whole",
    )

    def __init__(
        self,
        path: bytes,
        size: int,
        identity: tuple[int, int, int, int],
        validators: Validators,
        fields: Fields,
    ) -> None:
        self.path = path
        self.size = size
        self.identity = identity
        self.validators = validators
        self.fields = fields
        self.whole = [*fields, (b"content-length", b"%d" % size)]
        self.not_modified = of_304(fields)
        self.body: bytes | None = None


class File:
    """A file with its variants.

    plain: without a content coding.
    coded: the compressed ones, by the name of the coding.
    looked_up: seconds of the monotonic clock; `NEVER` once the file is forgotten.
    """

    __slots__ = ("coded", "looked_up", "plain")

    def __init__(self, plain: Variant, coded: dict[bytes, Variant], looked_up: float) -> None:
        self.plain = plain
        self.coded = coded
        self.looked_up = looked_up

    @property
    def variants(self) -> tuple[Variant, ...]:
        return self.plain, *self.coded.values()

    def choose(self, accept_encoding: bytes | None) -> Variant:
        """Return the variant that suits the client best."""
        if self.coded:
            for coding in acceptable(accept_encoding):
                if coding.name in self.coded:
                    return self.coded[coding.name]
        return self.plain


def of_304(fields: Fields) -> Fields:
    """Return those of the fields of a 200 that a 304 has as well."""
    return [field for field in fields if field[0] not in NOT_OF_304]


def identity_of(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return a value that changes when a file is replaced or written to."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Files:
    """Finds the files of a tree.

    tree: where they are.
    policy: their Cache-Control.
    memory: the bytes that may be kept in memory.
    """

    __slots__ = ("_memory", "_paths", "_recent", "_used", "policy", "tree")

    def __init__(self, tree: Tree, policy: CachePolicy, memory: int) -> None:
        self.tree = tree
        self.policy = policy
        self._memory = memory
        self._used = 0
        self._paths: dict[bytes, File] = {}
        self._recent: dict[bytes, File] = {}

    @property
    def memory_used(self) -> int:
        """Bytes of files that are in memory."""
        return self._used

    @property
    def remembered(self) -> int:
        """Paths that are remembered."""
        return len(self._paths)

    def recall(self, request_path: bytes) -> File | None:
        """Return the file that the path of a request has meant in the last second; None where the
        path has to be read, and its file looked up."""
        file = self._recent.get(request_path)
        if file is None or monotonic() - file.looked_up >= FRESH_FOR:
            return None
        return file

    def note(self, request_path: bytes, file: File) -> None:
        """Have `recall` return a file for the path of a request."""
        if len(self._recent) >= MOST_PATHS:
            self._recent.clear()
        self._recent[request_path] = file

    def find(self, path: bytes) -> "File | Found | None":
        """Return a file, a directory (as a `Found`), or None. Raises OSError."""
        now = monotonic()
        known = self._paths.get(path)
        if known is not None and now - known.looked_up < FRESH_FOR:
            return known
        self.tree.refresh()
        found = self.tree.open(path)
        if found is None or found.is_directory:
            self._forget(path)
            return found
        os.close(found.fd)
        return self._remember(path, found.status, known, now)

    def open(self, variant: Variant) -> int:
        """Return a descriptor of exactly this variant, or -1 where the file has changed or gone:
        then `find` has to look again. Raises OSError."""
        found = self.tree.open(variant.path)
        if found is not None and not found.is_directory:
            if identity_of(found.status) == variant.identity:
                return found.fd
            os.close(found.fd)
        self._forget_variant(variant)
        return -1

    def keep(self, variant: Variant, body: bytes) -> None:
        """Keep the bytes of a small file in memory, as far as there is room for them."""
        if variant.body is not None or len(body) > self._memory:
            return
        while self._used + len(body) > self._memory:
            path = next((path for path in self._paths if self._holds(path)), None)
            if path is None:
                return
            self._release(self._paths[path])
        if self._owner(variant) is not None:
            variant.body = body
            self._used += len(body)

    def close(self) -> None:
        """Give back the directory and the memory."""
        self._paths.clear()
        self._recent.clear()
        self._used = 0
        self.tree.close()

    def _remember(
        self, path: bytes, status: os.stat_result, known: File | None, now: float
    ) -> File:
        coded = {}
        for coding in CODINGS:
            try:
                beside = self.tree.open(path + coding.suffix)
            except PermissionError:
                continue
            if beside is not None and not beside.is_directory:
                os.close(beside.fd)
                coded[coding.name] = (coding, beside.status)
        varies = bool(coded)
        plain = self._variant(
            path, path, status, None, varies, None if known is None else known.plain
        )
        file = File(plain, {}, now)
        for name, (coding, beside_status) in coded.items():
            before = None if known is None else known.coded.get(name)
            file.coded[name] = self._variant(
                path, path + coding.suffix, beside_status, coding, True, before
            )
        if known is not None:
            for variant in known.variants:
                if variant not in file.variants:
                    self._drop(variant)
        # To the end: the paths in front were not asked for in the last second.
        self._paths.pop(path, None)
        self._paths[path] = file
        if len(self._paths) > MOST_PATHS:
            self._forget(next(iter(self._paths)))
        return file

    def _variant(
        self,
        path: bytes,
        file_path: bytes,
        status: os.stat_result,
        coding: Coding | None,
        varies: bool,
        before: Variant | None,
    ) -> Variant:
        identity = identity_of(status)
        if (
            before is not None
            and before.identity == identity
            and varies == (VARY in before.fields)
        ):
            return before
        suffix = suffix_of(path)
        # Not later than the Date of the response (RFC 9110 section 8.8.2.1).
        modified = min(status.st_mtime_ns // 1_000_000_000, int(time()))
        tag = b'"%x-%x%b"' % (
            status.st_mtime_ns,
            status.st_size,
            b"" if coding is None else b"-" + coding.name,
        )
        fields = [
            (b"content-type", media_type(suffix)),
            (b"cache-control", self.policy.field(path)),
            (b"etag", tag),
            (b"last-modified", http_date(modified)),
            RANGES,
            NOSNIFF,
        ]
        if coding is not None:
            fields.append((b"content-encoding", coding.name))
        elif suffix == COMPRESSED_SVG:
            fields.append((b"content-encoding", b"gzip"))
        if varies:
            fields.append(VARY)
        size = status.st_size
        return Variant(file_path, size, identity, Validators(tag, modified), fields)

    def _owner(self, variant: Variant) -> File | None:
        for path in (variant.path, variant.path.rpartition(b".")[0]):
            file = self._paths.get(path)
            if file is not None and variant in file.variants:
                return file
        return None

    def _holds(self, path: bytes) -> bool:
        return any(one.body is not None for one in self._paths[path].variants)

    def _release(self, file: File) -> None:
        for variant in file.variants:
            self._drop(variant)

    def _drop(self, variant: Variant) -> None:
        if variant.body is not None:
            self._used -= len(variant.body)
            variant.body = None

    def _forget(self, path: bytes) -> None:
        file = self._paths.pop(path, None)
        if file is not None:
            file.looked_up = NEVER
            self._release(file)

    def _forget_variant(self, variant: Variant) -> None:
        file = self._owner(variant)
        if file is not None:
            self._forget(file.plain.path)
