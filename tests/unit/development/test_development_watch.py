"""The changes that count, and the files that are watched."""

import os
import threading

import pytest

from bascule.development.watch import FileWatch, directories, named_files
from bascule.errors import UsageError
from bascule.settings import Settings

DEADLINE = 20


class Watched:
    """A watch, and a way to wait for what it finds."""

    def __init__(self, folders, files=()):
        self.woken = threading.Event()
        self.watch = FileWatch([str(folder) for folder in folders], set(files), self.woken.set)

    def until(self, name):
        """Wait until a file of this name has changed; returns the names of all that have."""
        seen = set()
        while name not in seen:
            assert self.woken.wait(DEADLINE)
            self.woken.clear()
            seen.update(os.path.basename(path) for path in self.watch.changes())
        return seen


@pytest.fixture
def watched(caplog):
    made = []

    def start(*folders, files=()):
        caplog.set_level("INFO", "bascule")
        one = Watched(folders, files)
        made.append(one)
        for _ in range(DEADLINE * 100):
            if "watching" in caplog.text:
                return one
            one.woken.wait(0.01)
        raise AssertionError("it never began to watch")

    yield start
    for one in made:
        one.watch.end()


def test_code_and_what_is_read_at_the_start(watched, tmp_path):
    one = watched(tmp_path)
    seen = set()
    for name in ("code.py", "page.html", "bascule.toml"):
        (tmp_path / "notes.txt").write_text(name)
        (tmp_path / "data.json").write_text(name)
        (tmp_path / name).write_text(name)
        seen |= one.until(name)
    assert seen == {"code.py", "page.html", "bascule.toml"}


def test_file_that_is_named_counts_whatever_its_name(watched, tmp_path):
    for name in ("code", "elsewhere"):
        (tmp_path / name).mkdir()
    named = tmp_path / "elsewhere" / "settings"
    named.write_text("one")
    one = watched(tmp_path / "code", files=[str(named)])
    named.write_text("two")
    assert one.until("settings") == {"settings"}


def test_directory_that_cannot_be_watched(tmp_path):
    one = Watched([tmp_path / "none"])
    assert one.woken.wait(DEADLINE)
    with pytest.raises(UsageError, match=r"cannot watch .*none"):
        one.watch.changes()
    one.watch.end()


def test_what_is_watched(tmp_path):
    assert directories(Settings()) == [os.getcwd()]
    assert directories(Settings(app_dir=str(tmp_path))) == [str(tmp_path)]
    assert directories(Settings(app_dir=str(tmp_path), reload_dir=["."])) == ["."]
    variables = tmp_path / "variables"
    variables.write_text("")
    assert named_files(Settings(env_file=str(variables))) == {str(variables)}
