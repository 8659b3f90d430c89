"""--user, --group, --umask and --pid with real processes; most of it started by root."""

import os
import pwd
import signal
import site
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import bascule
from support.certificates import make_certificates
from support.commands import bascule as run_bascule
from support.commands import clean_environment, started
from support.http import RawClient, exchange
from support.server import Server

NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

APP = """
import os
print("imported as", os.geteuid(), flush=True)

def app(environ, start_response):
    open("made", "w").close()
    umask = os.umask(0)
    os.umask(umask)
    start_response("200 OK", [])
    groups = ",".join(map(str, sorted(os.getgroups())))
    return [f"{os.getresuid()} {os.getresgid()} {groups} {umask:04o}".encode()]
"""
AS_NOBODY = f"({', '.join([str(NOBODY.pw_uid)] * 3)}) ({', '.join([str(NOBODY.pw_gid)] * 3)})"


def python_for_nobody() -> tuple[str, dict[str, str]] | None:
    """A Python that the user nobody can run, with the packages of this one; and its variables.

    A Python in root's home cannot be run; the system's own of the same version is used then.
    """
    paths = [str(Path(bascule.__file__).parents[1]), *site.getsitepackages()]
    env = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}"):
        try:
            done = subprocess.run(
                [python, "-c", "import click, bascule.worker.run"],
                env=clean_environment(env),
                cwd="/",
                user=NOBODY.pw_uid,
                group=NOBODY.pw_gid,
                extra_groups=[],
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if done.returncode == 0:
            return python, env
    return None


@pytest.fixture(scope="module")
def for_nobody() -> tuple[str, dict[str, str]]:
    found = python_for_nobody()
    if found is None:
        pytest.skip("there is no Python of this version that the user nobody can read")
    return found


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that belongs to the user nobody, with an application in it."""
    with tempfile.TemporaryDirectory(prefix="bascule-") as name:
        path = Path(name)
        (path / "site_app.py").write_text(APP)
        os.chmod(path, 0o755)
        os.chmod(path / "site_app.py", 0o644)
        (path / "theirs").mkdir()
        os.chown(path / "theirs", NOBODY.pw_uid, NOBODY.pw_gid)
        yield path


@contextmanager
def serving(
    for_nobody: tuple[str, dict[str, str]], place: Path, *args: str, command: str = "serve"
) -> Iterator[Server]:
    """Run `bascule serve` with a UNIX socket in `place`, in a directory of the user nobody."""
    python, env = for_nobody
    process = subprocess.Popen(
        [python, "-m", "bascule", command, "site_app", "--uds", str(place / "served.sock"), *args],
        cwd=place / "theirs",
        env=clean_environment({**env, "BASCULE_APP_DIR": str(place)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    server = Server(process, 0, "http")
    try:
        yield server
        server.stop()
    except BaseException as error:
        server.kill()
        error.add_note(f"--- output ---\n{server.output()}")
        raise


def ask(place: Path) -> str:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(place / "served.sock"))
    with RawClient(sock=client) as raw:
        raw.request("GET", "/")
        return raw.read_response().body.decode()


# --user, --group and --umask.


@needs_root
def test_root_is_given_up_before_the_application_is_imported(for_nobody, place):
    with serving(for_nobody, place, "--user", "nobody", "--umask", "0027") as server:
        server.wait_for_output("listening on")
        assert ask(place) == f"{AS_NOBODY} {NOBODY.pw_gid} 0027"
        made = (place / "theirs" / "made").stat()
        assert (made.st_uid, stat.S_IMODE(made.st_mode)) == (NOBODY.pw_uid, 0o640)
        found = (place / "served.sock").stat()
        assert (found.st_uid, found.st_gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
        assert stat.S_IMODE(found.st_mode) == 0o750
        assert f"imported as {NOBODY.pw_uid}" in server.output()
        assert server.stop() == 0


@needs_root
def test_workers_give_root_up_and_their_supervisor_does_not(for_nobody, place):
    arguments = ("--workers", "2", "--user", "nobody", "--umask", "0027", "--pid", "server.pid")
    with serving(for_nobody, place, *arguments) as server:
        server.wait_for_output("worker 2 (pid")
        assert ask(place) == f"{AS_NOBODY} {NOBODY.pw_gid} 0027"
        assert os.stat(f"/proc/{server.process.pid}").st_uid == 0
        assert (place / "theirs" / "server.pid").read_text() == f"{server.process.pid}\n"
        # New workers as well, and the socket is still there.
        server.signal(signal.SIGHUP)
        server.wait_for_output("worker 4 (pid")
        assert ask(place) == f"{AS_NOBODY} {NOBODY.pw_gid} 0027"
        assert server.stop() == 0
    assert not (place / "theirs" / "server.pid").exists()
    assert not (place / "served.sock").exists()


@needs_root
def test_numbers_and_gunicorns_letters(for_nobody, place):
    user, group = str(NOBODY.pw_uid), "1"
    with serving(for_nobody, place, "-u", user, "-g", group, "-m", "0") as server:
        server.wait_for_output("listening on")
        uid = f"({', '.join([user] * 3)})"
        assert ask(place) == f"{uid} (1, 1, 1) 1 0000"


@needs_root
def test_certificate_that_only_root_can_read(for_nobody, place):
    certificates = make_certificates(place)
    os.chmod(certificates.keyfile, 0o600)
    args = ["--ssl-certfile", certificates.certfile, "--ssl-keyfile", certificates.keyfile]
    with serving(for_nobody, place, "-u", "nobody", *args) as server:
        server.wait_for_output("listening on")
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(place / "served.sock"))
        tls = certificates.context().wrap_socket(client, server_hostname="127.0.0.1")
        with RawClient(sock=tls) as raw:
            raw.request("GET", "/")
            assert raw.read_response().body.decode().startswith(AS_NOBODY)
        os.utime(certificates.keyfile)
        server.wait_for_output("the former stay in use")
        assert f"{certificates.keyfile}: cannot be read: Permission denied" in server.output()
        os.chown(certificates.keyfile, NOBODY.pw_uid, -1)
        server.wait_for_output("new connections get the changed certificate")
        assert server.stop() == 0


@needs_root
def test_each_server_of_a_reloading_one_gives_up_root(for_nobody, place):
    """The process that watches stays root, or it could not start the next."""
    with serving(for_nobody, place, "-u", "nobody", "-p", "pid", command="dev") as server:
        server.wait_for_output("listening on")
        assert ask(place).startswith(AS_NOBODY)
        pid = (place / "theirs" / "pid").read_text()
        assert pid == f"{server.process.pid}\n"
        server.wait_for_output("watching ")
        (place / "site_app.py").write_text(APP + "\n")
        server.wait_for_output("stopped")
        assert ask(place).startswith(AS_NOBODY)
        assert server.stop() == 0
    assert server.output().count(f"imported as {NOBODY.pw_uid}") == 2
    assert not (place / "theirs" / "pid").exists()


@needs_root
def test_who_is_not_root_is_told(for_nobody, place):
    python, env = for_nobody
    done = subprocess.run(
        [python, "-m", "bascule", "serve", "site_app", "--port", "0", "--user", "daemon"],
        cwd=place,
        env=clean_environment(env),
        user=NOBODY.pw_uid,
        group=NOBODY.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "--user daemon: only root may become another user or group" in done.stderr
    assert "imported" not in done.stdout
    assert "Traceback" not in done.stderr


@needs_root
def test_who_is_that_user_already_may_say_so(for_nobody, place):
    python, env = for_nobody
    os.chown(place, NOBODY.pw_uid, NOBODY.pw_gid)
    process = subprocess.Popen(
        [python, "-m", "bascule", "serve", "site_app", "--user", "nobody", "--uds", "served.sock"],
        cwd=place,
        env=clean_environment(env),
        user=NOBODY.pw_uid,
        group=NOBODY.pw_gid,
        extra_groups=[],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    server = Server(process, 0, "http")
    try:
        server.wait_for_output("listening on")
        assert ask(place).startswith(AS_NOBODY)
    finally:
        assert server.stop() == 0


# A container whose file system cannot be written to, as far as one process is concerned.
READ_ONLY = (
    'for at in / /tmp /dev/shm; do mount -o remount,bind,ro $at 2>/dev/null; done; exec "$@"'
)


@needs_root
@pytest.mark.parametrize("user", [["--user", "nobody"], []])
def test_nothing_needs_to_be_written(for_nobody, place, user):
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare --mount is not to be had here")
    python, env = for_nobody
    (place / "site_app.py").write_text(
        "import pathlib\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    try:\n"
        "        pathlib.Path('/tmp/made').touch()\n"
        "    except OSError as error:\n"
        "        return [error.strerror.encode()]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serve = [python, "-m", "bascule", "serve", "site_app"]
        bind = ["--bind", f"fd://{listener.fileno()}"]
        process = subprocess.Popen(
            [*unshare, "sh", "-c", READ_ONLY, "sh", *serve, *bind, *user],
            cwd=place,
            env=clean_environment(env),
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        server = Server(process, listener.getsockname()[1], "http")
        try:
            assert exchange(server.port, "GET", "/").body == b"Read-only file system"
        finally:
            assert server.stop() == 0
        assert "warning" not in server.output()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--user", "no-such-user"], "--user no-such-user: this system has no such user"),
        (["--group", "no-such-group"], "--group no-such-group: this system has no such group"),
        (["--umask", "999"], "is not a mask; give an octal number from 0 to 0777"),
    ],
)
def test_wrong_values_are_explained(place, arguments, said):
    done = run_bascule("serve", "site_app", "--port", "0", *arguments, cwd=place)
    assert done.returncode == 2
    assert said in done.stderr


# --pid.


def test_pid_file_is_there_while_it_serves(place):
    path = place / "server.pid"
    with started("serve", "site_app", "--port", "0", "-p", "server.pid", cwd=place) as server:
        server.wait_for_output("listening on")
        assert path.read_text() == f"{server.process.pid}\n"
        second = run_bascule("serve", "site_app", "--port", "0", "--pid", str(path), cwd=place)
        assert second.returncode == 2
        assert f"it names process {server.process.pid}, which is running" in second.stderr
        assert path.exists()
        assert server.stop() == 0
    assert not path.exists()


def test_pid_file_of_a_server_that_was_killed_is_replaced(place):
    path = place / "server.pid"
    arguments = ("serve", "site_app", "--port", "0", "--pid", "server.pid")
    with started(*arguments, cwd=place) as server:
        server.wait_for_output("listening on")
        server.signal(signal.SIGKILL)
        server.wait()
    assert path.read_text() == f"{server.process.pid}\n"
    with started(*arguments, cwd=place) as server:
        server.wait_for_output("listening on")
        assert path.read_text() == f"{server.process.pid}\n"
        assert server.stop() == 0


def test_pid_file_goes_when_the_application_does_not_start(place):
    (place / "site_app.py").write_text("1 / 0\n")
    done = run_bascule("serve", "site_app", "--port", "0", "--pid", "server.pid", cwd=place)
    assert done.returncode == 3
    assert not (place / "server.pid").exists()


def test_pid_file_goes_when_a_second_signal_ends_it(place):
    (place / "site_app.py").write_text(
        "import threading\n"
        "def app(environ, start_response):\n"
        "    print('entered', flush=True)\n"
        "    threading.Event().wait()\n"
    )
    args = ("serve", "site_app", "--uds", "served.sock", "--pid", "server.pid")
    with started(*args, cwd=place) as server:
        server.wait_for_output("listening on")
        with RawClient(sock=connected(place)) as client:
            client.request("GET", "/")
            server.wait_for_output("entered")
            server.signal(signal.SIGTERM)
            server.wait_for_output("stopping")
            server.signal(signal.SIGTERM)
            assert server.wait() == 1
    assert not (place / "server.pid").exists()


def connected(place: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(place / "served.sock"))
    return client


def test_no_pid_file_unless_asked(place):
    with started("serve", "site_app", "--port", "0", cwd=place, env=no_bytecode()) as server:
        server.wait_for_output("listening on")
        assert sorted(os.listdir(place)) == ["site_app.py", "theirs"]


def no_bytecode() -> dict[str, str]:
    return {"PYTHONDONTWRITEBYTECODE": "1"}


@needs_root
def test_pid_file_that_cannot_be_removed_any_more_says_so(for_nobody, place):
    """Root's directory, and the process is not root's any more."""
    path = place / "server.pid"
    with serving(for_nobody, place, "-u", "nobody", "-p", str(path)) as server:
        server.wait_for_output("listening on")
        assert path.stat().st_uid == 0
        assert server.stop() == 0
    assert f"cannot remove --pid {path}: Permission denied" in server.output()
