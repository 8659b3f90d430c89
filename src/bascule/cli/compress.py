"""`bascule static compress`: compressed neighbours for the files of a directory.

    site.css      gets      site.css.gz, and with the extras site.css.br and site.css.zst

Each is as old as its file, which is how the next run sees that nothing has changed. A neighbour
appears in one step under its name, so a server that is running never sends half of one.
"""

import gzip
import os
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import import_module

import click

from bascule.errors import UsageError
from bascule.interfaces.static.codings import CODINGS
from bascule.interfaces.static.media_types import media_type
from bascule.interfaces.static.paths import suffix_of

# A smaller file fits into one packet with the head of its response, however it is sent.
SMALLEST = 512
# A neighbour that saves less than this part of the size is not worth a second file.
WORTH_IT = 0.05
# Formats that are not text, and are stored without compression.
COMPRESSIBLE = frozenset(
    {
        b"application/json",
        b"application/ld+json",
        b"application/geo+json",
        b"application/manifest+json",
        b"application/toml",
        b"application/vnd.ms-fontobject",
        b"application/wasm",
        b"application/x-ndjson",
        b"application/yaml",
        b"font/otf",
        b"font/ttf",
        b"image/bmp",
        b"image/svg+xml",
        b"image/vnd.microsoft.icon",
        b"model/gltf+json",
    }
)
SUFFIXES = tuple(os.fsdecode(coding.suffix) for coding in CODINGS)
MISSING = "{} is not installed, so no {} files are made; pip install 'bascule[compress]' adds it"

Compress = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one file and one coding.

    word: for people.
    before, after: sizes in bytes, for "compressed".
    """

    word: str
    before: int = 0
    after: int = 0


def compress_directory(directory: str, force: bool) -> None:
    """Compress what is new or has changed, and say what was done. Raises UsageError."""
    if not os.path.isdir(directory):
        raise UsageError(f"{directory} is not a directory")
    compressors, missing = available()
    for line in missing:
        click.echo(line, err=True)
    work = [(path, suffix) for path in compressible(directory) for suffix in compressors]
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending = [
            pool.submit(compress_file, path, suffix, compressors[suffix], force)
            for path, suffix in work
        ]
        with click.progressbar(as_completed(pending), len(pending), "Compressing") as finished:
            try:
                outcomes += [future.result() for future in finished]
            except OSError as error:
                pool.shutdown(cancel_futures=True)
                raise UsageError(f"{error.filename}: {error.strerror}") from None
    click.echo(summary(len({path for path, _ in work}), outcomes))


def available() -> tuple[dict[str, Compress], list[str]]:
    """Return the functions that compress, by the suffix of what they make, and what to say of
    those that are not installed."""
    found: dict[str, Compress] = {
        # Without a time in it: the same file gives the same bytes.
        ".gz": lambda data: gzip.compress(data, 9, mtime=0)
    }
    missing = []
    try:
        brotli = import_module("brotli")
        found[".br"] = brotli.compress
    except ImportError:
        missing.append(MISSING.format("brotli", ".br"))
    try:
        zstandard = import_module("zstandard")
        found[".zst"] = lambda data: zstandard.ZstdCompressor(level=19).compress(data)
    except ImportError:
        missing.append(MISSING.format("zstandard", ".zst"))
    return found, missing


def compressible(directory: str) -> Iterator[str]:
    """The files of a directory that compressing makes smaller, as far as their names tell."""
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            if not name.endswith(SUFFIXES) and is_compressible(name):
                yield os.path.join(folder, name)


def is_compressible(name: str) -> bool:
    found = media_type(suffix_of(os.fsencode(name)))
    return found.startswith(b"text/") or found.partition(b";")[0] in COMPRESSIBLE


def compress_file(path: str, suffix: str, compress: Compress, force: bool) -> Outcome:
    """Make one neighbour of one file. Raises OSError."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size < SMALLEST:
        return Outcome("too small")
    neighbour = path + suffix
    if not force and is_as_old(neighbour, status):
        return Outcome("up to date")
    with open(path, "rb") as file:
        data = file.read()
    compressed = compress(data)
    if len(compressed) > len(data) * (1 - WORTH_IT):
        if os.path.lexists(neighbour):
            # Of a version of the file that could be compressed.
            os.unlink(neighbour)
        return Outcome("not smaller")
    write(neighbour, compressed, status)
    return Outcome("compressed", len(data), len(compressed))


def is_as_old(neighbour: str, status: os.stat_result) -> bool:
    try:
        return os.stat(neighbour).st_mtime_ns == status.st_mtime_ns
    except OSError:
        return False


def write(path: str, data: bytes, like: os.stat_result) -> None:
    """Write a file in one step, with the permissions and the time of another."""
    folder, name = os.path.split(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode))
        os.utime(temporary, ns=(like.st_mtime_ns, like.st_mtime_ns))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def summary(files: int, outcomes: list[Outcome]) -> str:
    """Say what was done, in one line."""
    counted = Counter(outcome.word for outcome in outcomes)
    words = ", ".join(f"{number} {word}" for word, number in counted.most_common())
    line = f"{files} file{'' if files == 1 else 's'}: {words or 'nothing to compress'}"
    before = sum(outcome.before for outcome in outcomes)
    after = sum(outcome.after for outcome in outcomes)
    return f"{line}; {before:,} bytes became {after:,}" if before else line
