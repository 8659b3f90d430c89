"""The memory of files: its size, how long it counts, and that it is never wrong for longer."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.interfaces.static import files as files_module
from bascule.interfaces.static.caching import CachePolicy
from bascule.interfaces.static.files import File, Files
from bascule.interfaces.static.tree import Found, Tree

MEMORY = 5000
Advance = Callable[[float], None]


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Advance:
    """Moves the clock, which nothing else moves."""
    now = [1000.0]
    monkeypatch.setattr(files_module, "monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


@pytest.fixture
def files(tmp_path: Path, advance: Advance) -> Iterator[Files]:
    (tmp_path / "a.txt").write_bytes(b"a")
    opened = Files(Tree(str(tmp_path)), CachePolicy(), MEMORY)
    yield opened
    opened.close()


def found(files: Files, path: bytes) -> File:
    file = files.find(path)
    assert isinstance(file, File), file
    return file


def read(files: Files, path: bytes) -> bytes | None:
    """Read a file as a request for it does, and keep it in memory."""
    variant = found(files, path).plain
    if variant.body is None:
        fd = files.open(variant)
        assert fd >= 0
        body = os.read(fd, 100_000)
        os.close(fd)
        files.keep(variant, body)
        return body
    return variant.body


def test_a_path_is_looked_up_once_a_second(files: Files, advance: Advance, tmp_path: Path) -> None:
    first = found(files, b"a.txt")
    (tmp_path / "a.txt").unlink()
    advance(0.9)
    assert found(files, b"a.txt") is first
    advance(0.2)
    assert files.find(b"a.txt") is None


def test_a_file_that_has_not_changed_stays_in_memory(files: Files, advance: Advance) -> None:
    read(files, b"a.txt")
    body = found(files, b"a.txt").plain.body
    assert body == b"a"
    advance(2.0)
    assert found(files, b"a.txt").plain.body is body


def test_a_file_that_has_changed_is_read_again(
    files: Files, advance: Advance, tmp_path: Path
) -> None:
    read(files, b"a.txt")
    tag = found(files, b"a.txt").plain.validators.entity_tag
    (tmp_path / "a.txt").write_bytes(b"b")
    os.utime(tmp_path / "a.txt", (1, 1))
    advance(2.0)
    assert found(files, b"a.txt").plain.validators.entity_tag != tag
    assert read(files, b"a.txt") == b"b"


def test_a_neighbour_that_comes_later_is_noticed(
    files: Files, advance: Advance, tmp_path: Path
) -> None:
    read(files, b"a.txt")
    assert found(files, b"a.txt").choose(b"gzip").path == b"a.txt"
    (tmp_path / "a.txt.gz").write_bytes(b"z")
    advance(2.0)
    assert found(files, b"a.txt").choose(b"gzip").path == b"a.txt.gz"
    assert (b"vary", b"accept-encoding") in found(files, b"a.txt").plain.fields


def test_the_memory_is_bounded(files: Files, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}").write_bytes(b"%d" % (number % 10) * 1000)
    for number in (*range(20), *range(20)):
        assert read(files, b"%d" % number) == b"%d" % (number % 10) * 1000
        assert files.memory_used <= MEMORY
    held = [number for number in range(20) if found(files, b"%d" % number).plain.body is not None]
    # Those that were asked for last.
    assert held == [15, 16, 17, 18, 19]


def test_a_file_larger_than_the_memory_is_not_kept(files: Files, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(MEMORY + 1))
    read(files, b"big")
    assert found(files, b"big").plain.body is None
    assert files.memory_used == 0


def test_ten_thousand_files(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "MOST_PATHS", 100)
    for number in range(10_000):
        (tmp_path / f"f{number}").write_bytes(b"%d" % number)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(10_000):
        assert read(files, b"f%d" % number) == b"%d" % number
        assert files.remembered <= 100
    assert len(os.listdir("/proc/self/fd")) == before
    assert files.memory_used <= MEMORY


def test_what_is_not_there_is_not_remembered(files: Files, tmp_path: Path) -> None:
    for number in range(1000):
        assert files.find(b"no%d" % number) is None
    assert files.remembered == 0
    (tmp_path / "no1").write_bytes(b"now")
    assert read(files, b"no1") == b"now"


def test_directories_are_told_from_files(files: Files, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert isinstance(files.find(b"sub"), Found)
    assert isinstance(files.find(b""), Found)
