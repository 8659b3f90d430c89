"""`bascule static compress`: which neighbours are made, and when they are made again."""

import gzip
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = b"body { color: red }\n" * 100


def compress(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bascule", "static", "compress", str(directory), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "css").mkdir()
    for name, content in {
        "css/site.css": TEXT,
        "data.json": TEXT,
        "small.txt": b"small",
        "photo.jpg": TEXT,
        "random.txt": os.urandom(4096),
        "archive.tar.gz": TEXT,
    }.items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
    return tmp_path


def made(site: Path) -> set[str]:
    names = {str(path.relative_to(site)) for path in site.rglob("*.gz")}
    return names - {"archive.tar.gz"}


def test_text_gets_neighbours(site: Path) -> None:
    done = compress(site)
    assert done.returncode == 0, done.stderr
    assert made(site) == {"css/site.css.gz", "data.json.gz"}
    assert gzip.decompress((site / "css/site.css.gz").read_bytes()) == TEXT
    plain, neighbour = (site / f"css/site.css{suffix}" for suffix in ("", ".gz"))
    assert neighbour.stat().st_mtime_ns == plain.stat().st_mtime_ns
    assert neighbour.stat().st_mode == plain.stat().st_mode
    assert "4 files:" in done.stdout
    assert f"{len(TEXT) * 2 * codings():,} bytes became" in done.stdout


def codings() -> int:
    return 1 + sum(importlib.util.find_spec(name) is not None for name in ("brotli", "zstandard"))


def test_nothing_is_done_twice(site: Path) -> None:
    compress(site)
    before = (site / "data.json.gz").stat().st_ino
    done = compress(site)
    assert "up to date" in done.stdout
    assert (site / "data.json.gz").stat().st_ino == before
    compress(site, "--force")
    assert (site / "data.json.gz").stat().st_ino != before


def test_a_changed_file_is_compressed_again(site: Path) -> None:
    compress(site)
    (site / "data.json").write_bytes(TEXT * 2)
    compress(site)
    assert gzip.decompress((site / "data.json.gz").read_bytes()) == TEXT * 2


def test_a_neighbour_that_no_longer_pays_is_removed(site: Path) -> None:
    compress(site)
    (site / "data.json").write_bytes(os.urandom(4096))
    compress(site)
    assert made(site) == {"css/site.css.gz"}


def test_a_directory_that_is_not_there(site: Path) -> None:
    done = compress(site / "nothing")
    assert done.returncode != 0
    assert done.stderr == f"bascule: {site / 'nothing'} is not a directory\n"


def test_what_lacks_is_said(site: Path) -> None:
    done = compress(site)
    for package in ("brotli", "zstandard"):
        present = importlib.util.find_spec(package) is not None
        assert (f"{package} is not installed" in done.stderr) is not present
