"""Paths of requests that name a file, and the many spellings of those that leave the directory."""

import os
from pathlib import Path

import pytest

from bascule.interfaces.static.paths import file_path, suffix_of
from bascule.interfaces.static.tree import Tree
from support.files import SPELLINGS


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"", b""),
        (b"/", b""),
        (b"/a.css", b"a.css"),
        (b"/css/a.css", b"css/a.css"),
        (b"/css/", b"css/"),
        (b"/a%20b.txt", b"a b.txt"),
        (b"/%61.css", b"a.css"),
        (b"/%C3%BC.txt", "ü.txt".encode()),
        (b"/%ff.txt", b"\xff.txt"),
        (b"/%2561.css", b"%61.css"),
        (b"/a%", b"a%"),
        (b"/a%zz", b"a%zz"),
        (b"/a..b", b"a..b"),
        (b"/a.", b"a."),
        (b"/...a", None),
        (b"/.well-known/security.txt", b".well-known/security.txt"),
        (b"/x/.well-known/y", None),
        (b"/.env", None),
        (b"/.git/config", None),
        (b"/a/.htaccess", None),
        (b"/%2eenv", None),
        (b"/a;b", b"a;b"),
        (b"/a?b", b"a?b"),
        (b"//a", None),
        (b"/a//b", None),
        (b"/" + b"a" * 255, b"a" * 255),
        (b"/" + b"a" * 256, None),
    ],
)
def test_paths(raw: bytes, path: bytes | None) -> None:
    assert file_path(raw) == path


def test_dot_files_are_served_if_allowed() -> None:
    assert file_path(b"/.env", allow_dot_files=True) == b".env"
    assert file_path(b"/..", allow_dot_files=True) is None


def test_no_spelling_leaves_the_directory(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "css").mkdir(parents=True)
    (root / "css" / "a.css").write_text("inside")
    (tmp_path / "secret.txt").write_text("outside")
    tree = Tree(str(root))
    assert len(SPELLINGS) >= 200
    try:
        for raw in SPELLINGS:
            path = file_path(raw)
            found = None if path is None else tree.open(path)
            assert found is None, raw
            if path is not None:
                assert not os.path.realpath(os.path.join(os.fsencode(root), path)).startswith(
                    os.fsencode(tmp_path / "secret")
                ), raw
    finally:
        tree.close()


@pytest.mark.parametrize(
    ("path", "suffix"),
    [
        (b"a.css", ".css"),
        (b"a.tar.gz", ".gz"),
        (b"css/a", ""),
        (b".env", ""),
        (b"a.", ""),
        (b"x.y/a", ""),
    ],
)
def test_suffixes(path: bytes, suffix: str) -> None:
    assert suffix_of(path) == suffix
