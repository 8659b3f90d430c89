"""Releases in directories of their own, with a symbolic link to the one that is to be served."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from support.commands import clean_environment, started
from support.server import running
from support.workers import DEADLINE, answered, ended, successor, wait_for_ready

APP = """
import os
import sys
import release

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{release.NAME} {os.path.dirname(__file__)} {sys.path[0]}".encode()]
"""
KINDS = [
    pytest.param(("--workers", "1"), id="workers"),
    pytest.param(("--workers", "1", "--preload"), id="preload"),
]


@pytest.fixture
def current(tmp_path):
    """A link to the first release; `deploy` makes others."""
    link = tmp_path / "current"
    make_release(tmp_path / "releases" / "1")
    link.symlink_to(tmp_path / "releases" / "1")
    return link


def make_release(folder):
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(APP)
    (folder / "release.py").write_text(f"NAME = 'release {folder.name}'\n")


def deploy(link, name):
    """Do the same as `ln -sfn`, atomically."""
    folder = link.parent / "releases" / name
    make_release(folder)
    new = link.with_name("new")
    new.symlink_to(folder)
    new.rename(link)


def where(link):
    """As a shell does that has come by the link."""
    return {"cwd": link, "env": {"PWD": str(link)}}


@contextmanager
def serving(link, *args):
    with running("app:app", *args, **where(link)) as server:
        yield server


@pytest.mark.parametrize("kind", KINDS)
def test_a_reload_serves_the_new_release(current, kind):
    with serving(current, *kind) as server:
        assert answered(server) == f"release 1 {current} {current}"
        deploy(current, "2")
        shutil.rmtree(current.parent / "releases" / "1")
        server.signal(signal.SIGHUP)
        wait_for_ready(server, 2)
        server.wait_for_output("has ended (replaced")
        assert answered(server) == f"release 2 {current} {current}"
        assert server.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_upgrade_serves_the_new_release(current, kind):
    with serving(current, *kind) as server:
        wait_for_ready(server, 1)
        deploy(current, "2")
        shutil.rmtree(current.parent / "releases" / "1")
        server.signal(signal.SIGUSR2)
        server.wait_for_output("has taken over", DEADLINE)
        assert server.process.wait(DEADLINE) == 0
        with ended(successor(server)):
            assert answered(server).startswith("release 2 ")
            os.kill(successor(server), signal.SIGTERM)


@pytest.mark.parametrize("kind", KINDS)
def test_a_release_that_is_not_there_leaves_the_old_one_serving(current, kind):
    with serving(current, *kind) as server:
        wait_for_ready(server, 1)
        current.unlink()
        server.signal(signal.SIGHUP)
        said = f"the directory {current}, in which the server was started, cannot be entered"
        server.wait_for_output(said, DEADLINE)
        assert answered(server).startswith("release 1 ")
        server.signal(signal.SIGUSR2)
        server.wait_for_output(f"upgrade failed: {current}: No such file or directory")
        assert answered(server).startswith("release 1 ")
        assert server.stop() == 0
        assert "Traceback" not in server.output()


def test_one_process_serves_by_the_path_it_was_started_in(current):
    with serving(current) as server:
        assert answered(server) == f"release 1 {current} {current}"
        assert server.stop() == 0


def test_a_path_that_is_another_directory_by_now_is_not_believed(current):
    with running("app:app", cwd=current, env={"PWD": str(current.parent)}) as server:
        physical = current.parent / "releases" / "1"
        assert answered(server) == f"release 1 {physical} {physical}"
        assert server.stop() == 0


def test_a_directory_that_was_deleted_is_said(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    command = 'rmdir "$PWD"; exec "$0" -m bascule serve app:app'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable],
        cwd=gone,
        env={**clean_environment(), "PWD": str(gone)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("bascule: the current directory has been deleted.\n")
    assert f"cd {gone}" in done.stderr


def test_development_serves_the_new_release(current):
    with started("dev", "app:app", "--port", "0", **where(current)) as server:
        output = server.wait_for_output("listening on http://127.0.0.1:")
        server.port = int(re.search(r"127.0.0.1:(\d+)", output)[1])
        server.wait_for_output("watching")
        assert answered(server).startswith("release 1 ")
        first = current.parent / "releases" / "1"
        deploy(current, "2")
        (first / "app.py").write_text(APP + "\n")
        server.wait_for_output("the changed code serves", DEADLINE)
        server.wait_for_output("stopped", DEADLINE)
        assert answered(server).startswith("release 2 ")
