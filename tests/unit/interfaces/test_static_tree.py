"""Opening files below a directory, by openat2(2) and without it."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.interfaces.static import tree as tree_module
from bascule.interfaces.static.tree import Tree


@pytest.fixture(params=["openat2", "walk"])
def tree(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tree]:
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "sub" / "b.txt").write_text("b")
    (tmp_path / "outside.txt").write_text("outside")
    if request.param == "walk":
        monkeypatch.setattr(tree_module, "_openat2", lambda: None)
    elif tree_module._openat2() is None:
        pytest.skip("this system has no openat2(2)")
    opened = Tree(str(root))
    yield opened
    opened.close()


def content(tree: Tree, path: bytes) -> str | None:
    found = tree.open(path)
    if found is None:
        return None
    if found.is_directory:
        return "a directory"
    try:
        return os.read(found.fd, 100).decode()
    finally:
        os.close(found.fd)


def link(tree: Tree, name: str, target: str) -> None:
    os.symlink(target, os.path.join(tree.root, name))


def test_files_and_directories(tree: Tree) -> None:
    assert content(tree, b"a.txt") == "a"
    assert content(tree, b"sub/b.txt") == "b"
    assert content(tree, b"sub") == "a directory"
    assert content(tree, b"sub/") == "a directory"
    assert content(tree, b"") == "a directory"


@pytest.mark.parametrize(
    "path", [b"no", b"no/no", b"a.txt/", b"a.txt/b", b"sub/no", b"a" * 300, b"a\x00b"[:1] + b"?"]
)
def test_what_is_not_there(tree: Tree, path: bytes) -> None:
    assert content(tree, path) is None


@pytest.mark.parametrize("path", [b"..", b"../outside.txt", b"sub/../../outside.txt"])
def test_dots_do_not_leave_the_root(tree: Tree, path: bytes) -> None:
    assert content(tree, path) is None


def test_links_within_the_root_are_followed(tree: Tree) -> None:
    link(tree, "in", "sub/b.txt")
    link(tree, "sub/up", "../a.txt")
    link(tree, "dir", "sub")
    assert content(tree, b"in") == "b"
    assert content(tree, b"sub/up") == "a"
    assert content(tree, b"dir/b.txt") == "b"


def test_links_that_leave_the_root_lead_nowhere(tree: Tree) -> None:
    outside = os.path.join(os.path.dirname(tree.root), "outside.txt")
    link(tree, "out", "../outside.txt")
    link(tree, "absolute", outside)
    link(tree, "sub/out", "../../outside.txt")
    link(tree, "etc", "/etc")
    for path in (b"out", b"absolute", b"sub/out", b"etc/passwd"):
        assert content(tree, path) is None


def test_links_that_leave_the_root_are_followed_if_asked(tree: Tree) -> None:
    link(tree, "out", "../outside.txt")
    asked = Tree(tree.root, follow_symlinks=True)
    try:
        assert content(asked, b"out") == "outside"
    finally:
        asked.close()


def test_links_in_a_circle_lead_nowhere(tree: Tree) -> None:
    link(tree, "one", "two")
    link(tree, "two", "one")
    assert content(tree, b"one") is None


def test_a_fifo_is_no_file_and_nobody_waits_for_it(tree: Tree) -> None:
    os.mkfifo(os.path.join(tree.root, "fifo"))
    assert content(tree, b"fifo") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tree: Tree) -> None:
    os.chmod(os.path.join(tree.root, "a.txt"), 0)
    with pytest.raises(PermissionError):
        tree.open(b"a.txt")


def test_a_root_that_is_replaced_is_noticed(tree: Tree, tmp_path: Path) -> None:
    os.rename(tree.root, tmp_path / "old")
    tree.refresh()
    # Between the two steps of a deployment the old one stays.
    assert content(tree, b"a.txt") == "a"
    os.mkdir(tree.root)
    Path(tree.root, "a.txt").write_text("new")
    tree.refresh()
    assert content(tree, b"a.txt") == "new"


def test_no_descriptor_is_left_open(tree: Tree) -> None:
    link(tree, "out", "../outside.txt")
    before = len(os.listdir("/proc/self/fd"))
    for path in (b"a.txt", b"sub", b"no", b"out", b"sub/b.txt", b"a.txt/b"):
        content(tree, path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_openat2_that_is_forbidden_is_done_without(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(directory: int, path: bytes) -> int:
        raise OSError(errno.EPERM, "seccomp")

    tree._openat2 = forbidden  # type: ignore[assignment]
    assert content(tree, b"sub/b.txt") == "b"
    assert tree._openat2 is None
