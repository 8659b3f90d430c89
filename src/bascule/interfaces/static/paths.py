"""From the path of a request to the name of a file below a directory.

The path is percent-decoded once, cut at slashes, and each segment checked. A path that is
refused is answered as one that does not exist. The kernel guards the directory a second time
(`tree.py`).
"""

from urllib.parse import unquote_to_bytes

# RFC 8615: the one name with a dot that is meant to be public.
WELL_KNOWN = b".well-known"
# Not in names that anybody serves, and read as a separator by programs that come from elsewhere.
BACKSLASH = b"\\"
# The longest name that a file system has, in bytes.
LONGEST_NAME = 255
PERCENT = 0x25


def file_path(raw: bytes, allow_dot_files: bool = False) -> bytes | None:
    """Return the relative path of the file that a request path below a mount point means.

    raw: the rest of the path, percent-encoded, beginning with a slash or empty.
    A path that ends with a slash means a directory, and the result ends with one as well; b"" is
    the root. None where no file can have this path.
    """
    encoded = raw[1:] if raw.startswith(b"/") else raw
    segments = []
    pieces = encoded.split(b"/")
    last = len(pieces) - 1
    for index, piece in enumerate(pieces):
        segment = unquote_to_bytes(piece) if PERCENT in piece else piece
        if not segment:
            if index == last:
                break
            return None
        if not is_plain(segment):
            return None
        if (
            segment.startswith(b".")
            and not allow_dot_files
            and not (index == 0 and segment == WELL_KNOWN)
        ):
            return None
        segments.append(segment)
    path = b"/".join(segments)
    return path + b"/" if segments and not pieces[last] else path


def is_relative(path: bytes) -> bool:
    """Whether a decoded path names a file below a directory, and nothing else."""
    return all(segment and is_plain(segment) for segment in path.split(b"/"))


def is_plain(segment: bytes) -> bool:
    """Whether a decoded segment is a name and nothing else."""
    return (
        segment not in (b".", b"..")
        and len(segment) <= LONGEST_NAME
        and b"/" not in segment
        and BACKSLASH not in segment
        and min(segment) >= 0x20
        and 0x7F not in segment
    )


def suffix_of(path: bytes) -> str:
    """Return the suffix of a file's name with its dot, or ""."""
    name = path.rpartition(b"/")[2]
    stem, dot, suffix = name.rpartition(b".")
    return (dot + suffix).decode("latin-1") if stem and suffix else ""
