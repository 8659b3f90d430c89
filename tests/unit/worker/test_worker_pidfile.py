"""The PID file: what lies at the path decides."""

import os
import stat
import subprocess
import sys

import pytest

from bascule.errors import UsageError
from bascule.worker.pidfile import PidFile
from support.forked import in_child


@pytest.fixture
def path(tmp_path):
    return tmp_path / "server.pid"


def a_process_that_is_gone():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_it_is_there_and_goes(path):
    before = os.umask(0o077)
    try:
        pid_file = PidFile(str(path))
        pid_file.write()
    finally:
        os.umask(before)
    assert path.read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent) == [path.name]
    pid_file.remove()
    assert os.listdir(path.parent) == []
    pid_file.remove()


def test_relative_path_stays_where_it_was(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    pid_file = PidFile(path.name)
    pid_file.write()
    monkeypatch.chdir("/")
    pid_file.remove()
    assert not path.exists()


def test_file_of_a_process_that_is_gone_is_replaced(path):
    path.write_text(f"{a_process_that_is_gone()}\n")
    PidFile(str(path)).write()
    assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("content", ["", "\n", "0\n", "9" * 30, "its own"])
def test_file_that_names_nobody_else_is_replaced(path, content):
    path.write_text(content.replace("its own", str(os.getpid())))
    PidFile(str(path)).write()
    assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("content", ["-1", "17 18", "not a number", "\0\0\0\0", "²"])
def test_something_else_is_left_alone(path, content):
    path.write_text(content)
    with pytest.raises(UsageError, match="something other than a process number"):
        PidFile(str(path)).write()
    assert path.read_text() == content
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("whose", ["its parent's", "another one's"])
def test_file_of_a_process_that_runs_is_left_alone(path, whose):
    running = os.getppid() if whose == "its parent's" else 1
    path.write_text(f"{running}\n")
    pid_file = PidFile(str(path))
    with pytest.raises(UsageError, match=f"it names process {running}, which is running"):
        pid_file.write()
    pid_file.remove()
    assert path.read_text() == f"{running}\n"


def test_file_that_another_server_has_taken_is_not_removed(path):
    pid_file = PidFile(str(path))
    pid_file.write()
    path.write_text("1\n")
    pid_file.remove()
    assert path.read_text() == "1\n"


def test_forked_child_leaves_it(path):
    pid_file = PidFile(str(path))
    pid_file.write()
    in_child(pid_file.remove)
    assert path.exists()


def test_directory_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        PidFile(str(tmp_path / "none" / "server.pid")).write()


def test_path_of_a_directory(tmp_path):
    with pytest.raises(UsageError, match="cannot be written: Is a directory"):
        PidFile(str(tmp_path)).write()
    assert os.listdir(tmp_path) == []
