"""Media types by the names of files: the same on every machine.

`mimetypes` reads files of the system, so a server may send another type in a container than on a
developer's machine. Here its built-in table alone is used, below a table of ours of what it lacks
or has wrong.
"""

import mimetypes
from functools import lru_cache

UNKNOWN = "application/octet-stream"

# RFC 9239 section 6 for JavaScript; the others are IANA's registrations.
TYPES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".br": "application/x-brotli",
    ".cjs": "text/javascript",
    ".csv": "text/csv",
    ".cur": "image/vnd.microsoft.icon",
    ".eot": "application/vnd.ms-fontobject",
    ".flac": "audio/flac",
    ".geojson": "application/geo+json",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".gz": "application/gzip",
    ".heic": "image/heic",
    ".ico": "image/vnd.microsoft.icon",
    ".ics": "text/calendar",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".jxl": "image/jxl",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4a": "audio/mp4",
    ".m4v": "video/mp4",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".mpd": "application/dash+xml",
    ".ndjson": "application/x-ndjson",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".otf": "font/otf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".rss": "application/rss+xml",
    ".svg": "image/svg+xml",
    ".svgz": "image/svg+xml",
    ".toml": "application/toml",
    ".ts": "video/mp2t",
    ".ttf": "font/ttf",
    ".vtt": "text/vtt",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".weba": "audio/webm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "text/xml",
    ".xsl": "application/xslt+xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
    ".zst": "application/zstd",
}
# Text, and data that browsers would otherwise decode by a guess.
WITH_CHARSET = frozenset({"application/xslt+xml", "application/rss+xml"})

_BUILT_IN = mimetypes.MimeTypes()


@lru_cache(maxsize=256)
def media_type(suffix: str) -> bytes:
    """Return the value of Content-Type for a file. suffix: of its name, with the dot."""
    suffix = suffix.lower()
    found = TYPES.get(suffix) or _BUILT_IN.types_map[True].get(suffix, UNKNOWN)
    if found.startswith("text/") or found in WITH_CHARSET:
        found += "; charset=utf-8"
    return found.encode("ascii")
