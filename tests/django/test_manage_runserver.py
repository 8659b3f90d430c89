"""`manage.py runserver` with "bascule.django" as an app: what Django's users know of it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django import get_version
from manage_site import (
    LISTENING,
    append,
    body,
    change,
    get,
    manage,
    managing,
    managing_in_a_terminal,
    replace,
    serving,
    write,
)

from support.commands import DEADLINE, clean_environment
from support.http import RawClient, exchange
from support.needs import needs_ipv6
from support.websocket_client import Frame, WebSocketClient, text

STATIC = "/static/shop/style.css"
ONCE = ("runserver", "127.0.0.1:0", "--noreload")
RELOADING = ("runserver", "127.0.0.1:0")
AS_PROCESS_1 = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
ERROR_OF_A_CHECK = """
    from django.core.checks import Error, register


    @register()
    def always_wrong(app_configs, **kwargs):
        return [Error("nothing is right", id="shop.E001")]
"""


# The start


def test_what_is_said_at_the_start(shop: Path) -> None:
    with managing(shop, *ONCE, env={"DJANGO_RUNSERVER_HIDE_WARNING": "true"}) as server:
        output = server.output()
        assert "Performing system checks..." in output
        assert "System check identified no issues (0 silenced)." in output
        assert f"Django version {get_version()}, using settings 'shop.settings'" in output
        assert f"Starting development server at http://127.0.0.1:{server.port}/" in output
        assert "Quit the server with CONTROL-C." in output
        assert "WARNING: This is a development server" not in output
        assert (
            "serving shop as Django: WSGI in 8 threads, ASGI on the loop, WebSockets by shop.asgi"
        ) in output
        get(server, "/")
        server.wait_for_output('"GET / HTTP/1.1" 200 10 ')


def test_both_sides_and_websockets(shop: Path) -> None:
    with managing(shop, *ONCE) as server:
        assert body(server, "/") == "one thread"
        assert body(server, "/async/") == "one loop"
        client = WebSocketClient(server.port)
        client.shake_hands("/chat")
        client.send(text("hello"))
        assert client.read_frame() == Frame(1, b"echo hello")
        client.close()


def test_migrations_that_are_not_applied(shop: Path) -> None:
    with managing(shop, *ONCE) as server:
        assert "You have 1 unapplied migration(s)." in server.output()
        files = [os.readlink(path) for path in Path(f"/proc/{server.process.pid}/fd").iterdir()]
        assert not [path for path in files if path.endswith("db.sqlite3")]
    assert manage(shop, "migrate").returncode == 0
    with managing(shop, *ONCE) as server:
        assert "unapplied" not in server.output()


@pytest.mark.parametrize(
    ("apps", "ours"),
    [
        (["bascule.django", "django.contrib.staticfiles"], True),
        (["django.contrib.staticfiles", "bascule.django"], False),
    ],
)
def test_the_first_app_that_has_the_command_wins(shop: Path, apps: list[str], ours: bool) -> None:
    append(shop / "shop/settings.py", f"INSTALLED_APPS = {apps}\n")
    done = manage(shop, "runserver", "--help")
    assert ("by WSGI and ASGI" in done.stdout) is ours


# Addresses


@needs_ipv6
@pytest.mark.parametrize("args", [("[::1]:0",), ("-6", "0"), ("--ipv6", "[::1]:0")])
def test_ipv6(shop: Path, args: tuple[str, ...]) -> None:
    with managing(shop, "runserver", "--noreload", *args) as server:
        assert f"Starting development server at http://[::1]:{server.port}/" in server.output()
        with (
            socket.create_connection(("::1", server.port)) as sock,
            RawClient(sock=sock) as client,
        ):
            client.request("GET", "/")
            assert client.read_response().body == b"one thread"


def test_all_interfaces(shop: Path) -> None:
    with managing(shop, "runserver", "0:0", "--noreload") as server:
        assert f"Starting development server at http://0.0.0.0:{server.port}/" in server.output()
        assert body(server, "/") == "one thread"


@pytest.mark.parametrize("flags", [(), ("--noreload",)], ids=["reload", "noreload"])
def test_a_port_in_use(shop: Path, flags: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = manage(shop, "runserver", address, *flags)
    assert done.returncode == 1
    assert done.stderr == (f"Error: cannot listen on {address}: another program uses this port.\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("here", '"here" is not a valid port number or address:port pair.'),
        ("99999", "'99999' is not a valid port number."),
    ],
)
def test_an_address_that_is_none(shop: Path, given: str, said: str) -> None:
    done = manage(shop, "runserver", given)
    assert (done.returncode, done.stderr) == (1, f"CommandError: {said}\n")


def test_allowed_hosts_without_debug(shop: Path) -> None:
    append(shop / "shop/settings.py", "DEBUG = False\n")
    done = manage(shop, "runserver", "0")
    assert done.returncode == 1
    assert "You must set settings.ALLOWED_HOSTS if DEBUG is False." in done.stderr


# Static files


def test_static_files(shop: Path) -> None:
    with managing(shop, *ONCE) as server:
        found = get(server, STATIC)
        assert (found.status, found.body) == (200, b"body { color: black }")
        assert found.header("content-type") == "text/css"
        modified = found.header("last-modified")
        assert modified is not None
        assert get(server, STATIC, ("If-Modified-Since", modified)).status == 304
        # Not of the view that takes any path.
        assert get(server, "/static/shop/none.css").status == 404
        assert get(server, "/statics").status == 418


@pytest.mark.parametrize(
    ("flags", "settings", "status"),
    [
        (("--nostatic",), "", 418),
        ((), "DEBUG = False; ALLOWED_HOSTS = ['*']", 418),
        (("--insecure",), "DEBUG = False; ALLOWED_HOSTS = ['*']", 200),
        ((), "INSTALLED_APPS = ['bascule.django', 'shop']", 418),
        ((), "STATIC_URL = 'http://static.example/static/'", 418),
    ],
    ids=["nostatic", "no debug", "insecure", "not installed", "elsewhere"],
)
def test_where_static_files_are_served(
    shop: Path, flags: tuple[str, ...], settings: str, status: int
) -> None:
    append(shop / "shop/settings.py", f"{settings}\n")
    with managing(shop, *ONCE, *flags) as server:
        assert get(server, STATIC).status == status


# Checks


@pytest.mark.parametrize("flags", [(), ("--noreload",)], ids=["reload", "noreload"])
def test_a_check_that_fails(shop: Path, flags: tuple[str, ...]) -> None:
    write(shop / "shop/checks.py", ERROR_OF_A_CHECK)
    append(shop / "shop/models.py", "import shop.checks\n")
    if flags:
        done = manage(shop, *RELOADING, *flags)
        assert done.returncode == 1
        assert "(shop.E001) nothing is right" in done.stderr
        assert "Starting development server" not in done.stdout
    else:
        with managing(shop, *RELOADING, wait_for="waiting for a change") as server:
            assert "(shop.E001) nothing is right" in server.output()
            assert "Traceback" not in server.output()
            change(server, shop / "shop/models.py", "import shop.checks", "", "listening on")


def test_checks_that_are_skipped(shop: Path) -> None:
    append(shop / "shop/models.py", ERROR_OF_A_CHECK)
    with managing(shop, *ONCE, "--skip-checks") as server:
        assert "Performing system checks" not in server.output()
        assert body(server, "/") == "one thread"


# Reloading


def test_a_change_is_served(shop: Path) -> None:
    views = shop / "shop/views.py"
    with managing(shop, *RELOADING) as server:
        assert body(server, "/") == "one thread"
        change(
            server,
            views,
            'HttpResponse("anything"',
            'HttpResponse("two"',
            "stopped",
        )
        assert "views.py changed, reloading" in server.output()
        # The parent's socket stays: a client that connects meanwhile waits.
        assert get(server, "/any").body == b"two"
        assert "lifespan has ended" in server.output()
        assert server.stop() == 0


def test_the_signals_of_the_autoreloader(shop: Path) -> None:
    append(
        shop / "shop/urls.py",
        """
        from django.utils.autoreload import autoreload_started, file_changed

        def watch_more(sender, **kwargs):
            sender.watch_dir("texts", "*.txt")
            print("watching more", flush=True)

        def is_known(sender, file_path, **kwargs):
            print("told of", file_path.name, flush=True)
            return file_path.name == "known.txt"

        autoreload_started.connect(watch_more, weak=False)
        file_changed.connect(is_known, weak=False)
        """,
    )
    for name in ("known.txt", "other.txt"):
        write(shop / "texts" / name, "old")
    with managing(shop, *RELOADING, wait_for="watching more") as server:
        server.wait_for_output("listening on")
        change(server, shop / "texts/known.txt", "old", "new", "told of known.txt")
        assert "reloading" not in server.output()
        change(server, shop / "texts/other.txt", "old", "new", "other.txt changed, reloading")


BROKEN, MENDED = "def broken(:", "print('mended', flush=True)"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("views.py", "Not serving; waiting for a change."),
        # The parent notices a failure before any command runs.
        ("settings.py", "the server ended with exit code 1; waiting for a change"),
        ("models.py", "SyntaxError"),
    ],
)
def test_a_syntax_error_is_shown_and_mended(shop: Path, file: str, said: str) -> None:
    path = shop / "shop" / file
    append(path, "# here\n")
    with managing(shop, *RELOADING) as server:
        change(server, path, "# here", BROKEN, said)
        assert "SyntaxError" in server.output()
        if file != "models.py":  # there Django's own command waits, and no process serves
            page = exchange(server.port, "GET", "/", [("Accept", "text/html")])
            assert (page.status, page.header("Content-Type")) == (500, "text/html; charset=utf-8")
            reason = b"SyntaxError" if "Not serving" in said else b"It ended with exit code 1."
            assert reason in page.body
        assert "bascule/" not in server.output()
        change(server, path, BROKEN, MENDED, "mended")
        assert body(server, "/") == "one thread"
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("file", "flags", "said"),
    [
        ("views.py", (), "Not serving"),
        ("views.py", ("--skip-checks",), "Not serving"),
        # No setting names it, so the rest is served, without WebSockets.
        ("asgi.py", (), "shop.asgi is not used for WebSockets"),
        # Then Django's own command is there, before ours can be known.
        ("models.py", (), "SyntaxError"),
    ],
)
def test_a_syntax_error_at_the_first_start(
    shop: Path, file: str, flags: tuple[str, ...], said: str
) -> None:
    path = shop / "shop" / file
    append(path, BROKEN)
    with managing(shop, *RELOADING, *flags, wait_for=said) as server:
        change(server, path, BROKEN, MENDED, "mended")
        server.wait_for_output("WebSockets by shop.asgi")
        assert server.stop() == 0


def test_a_wrong_setting_is_said_and_mended(shop: Path) -> None:
    settings = shop / "shop/settings.py"
    append(settings, 'BASCULE = {"THRAEDS": 3, "BACKLOG": "many"}\n')
    with managing(shop, *RELOADING, wait_for="waiting for a change") as server:
        assert server.output().count("(bascule.E001)") == 2
        assert "THRAEDS is not a setting; did you mean THREADS?" in server.output()
        change(
            server, settings, '"THRAEDS": 3, "BACKLOG": "many"', '"THREADS": 3', "WSGI in 3 thr"
        )


def test_a_stream_does_not_hold_up_a_reload(shop: Path) -> None:
    append(shop / "shop/settings.py", 'BASCULE = {"TIMEOUT_GRACEFUL_SHUTDOWN": 3600}\n')
    with managing(shop, *RELOADING) as server, RawClient(server.port) as client:
        client.request("GET", "/stream/")
        client.read_until(b"begun")
        change(server, shop / "shop/views.py", '"begun"', '"begun anew"', "stopped")
        assert body(server, "/") == "one thread"


def test_a_view_that_never_ends_does_not_hold_up_a_reload(shop: Path) -> None:
    replace(shop / "shop/views.py", "leave.wait(20)", "leave.wait()")
    with managing(shop, *RELOADING) as server, RawClient(server.port) as client:
        client.request("GET", "/slow/?name=first")
        server.wait_for_output("first is in")
        change(server, shop / "shop/views.py", '"begun"', '"anew"', "left behind, still busy")
        assert body(server, "/") == "one thread"
        assert server.stop() == 0


HANGS = 'print("starting up", flush=True); await __import__("asyncio").Event().wait()'


def test_a_start_that_hangs_does_not_hold_up_a_reload(shop: Path) -> None:
    asgi = shop / "shop/asgi.py"
    write_hanging_startup(asgi)
    with managing(shop, *RELOADING, wait_for="starting up") as server:
        change(server, asgi, HANGS, "pass", "listening on")
        assert server.stop() == 0


def write_hanging_startup(asgi: Path) -> None:
    write(
        asgi,
        f"""
        async def application(scope, receive, send):
            {HANGS}
        """,
    )


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts(shop: Path, number: int) -> None:
    write_hanging_startup(shop / "shop/asgi.py")
    with managing(shop, *RELOADING, wait_for="starting up") as server:
        server.signal(number)
        assert server.wait() == 0
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("command", [ONCE, RELOADING], ids=["noreload", "reload"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(shop: Path, command: tuple[str, ...], number: int) -> None:
    with managing(shop, *command) as server:
        assert body(server, "/") == "one thread"
        server.signal(number)
        assert server.wait() == 0  # which waits for the child as well, because it has the pipe
    assert "lifespan has ended" in server.output()
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("command", [ONCE, RELOADING], ids=["noreload", "reload"])
def test_ctrl_c_finishes_what_is_in_flight(shop: Path, command: tuple[str, ...]) -> None:
    """The terminal sends SIGINT to both processes; the child must not get a second one."""
    replace(shop / "shop/views.py", "leave.wait(20)", 'open("leave", "rb").read(1)')
    os.mkfifo(shop / "leave")
    with (
        managing_in_a_terminal(shop, *command) as (server, keyboard),
        RawClient(server.port) as client,
    ):
        client.request("GET", "/slow/?name=first")
        server.wait_for_output("first is in")
        os.write(keyboard, b"\x03")
        server.wait_for_output("stopping: finishing what is in flight")
        (shop / "leave").write_bytes(b"x")
        assert client.read_response().body == b"done"
        assert server.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("file", ["views.py", "settings.py"])
def test_a_signal_while_it_waits_for_a_change(shop: Path, file: str, number: int) -> None:
    append(shop / "shop" / file, "# here\n")
    with managing(shop, *RELOADING) as server:
        path = shop / "shop" / file
        change(server, path, "# here", BROKEN, "waiting for a change")
        server.signal(number)
        assert server.wait() == 0


# Flags and settings


@pytest.mark.parametrize("path", ["/slow/", "/slow/async/"])
def test_nothreading_is_one_at_a_time(shop: Path, path: str) -> None:
    append(shop / "shop/settings.py", 'BASCULE = {"THREADS": 5}\n')
    with managing(shop, *ONCE, "--nothreading") as server:
        assert "WSGI in 1 thread," in server.output()
        with RawClient(server.port) as first, RawClient(server.port) as second:
            first.request("GET", f"{path}?name=first")
            server.wait_for_output("first is in")
            second.request("GET", f"{path}?name=second")
            assert body(server, "/told/") == "first in"
            assert body(server, "/told/?leave") == "first in"
            assert first.read_response().body == b"done"
            assert second.read_response().body == b"done"
        assert body(server, "/told/") == "first in, first out, second in, second out"


@pytest.mark.parametrize("path", ["/slow/", "/slow/async/"])
def test_otherwise_several_run_at_once(shop: Path, path: str) -> None:
    with (
        managing(shop, *ONCE) as server,
        RawClient(server.port) as first,
        RawClient(server.port) as second,
    ):
        first.request("GET", f"{path}?name=first")
        server.wait_for_output("first is in")
        second.request("GET", f"{path}?name=second")
        assert second.read_response().body == b"done"
        assert body(server, "/told/?leave") == "first in, second in, second out"


def test_bascule_in_the_settings(shop: Path) -> None:
    append(
        shop / "shop/settings.py",
        """
        BASCULE = {
            "THREADS": 3,
            "PORT": 1,
            "RELOAD": True,
            "HEADER": ["X-Shop: open"],
            "DJANGO_INTERFACE": {"/async/": "wsgi"},
        }
        """,
    )
    with managing(shop, *ONCE) as server:
        assert "WSGI in 3 threads" in server.output()
        assert get(server, "/").header("x-shop") == "open"
        assert body(server, "/async/") == "one thread"


def test_an_env_file_that_comes_too_late(shop: Path) -> None:
    write(shop / "bascule.toml", 'env_file = ".env"')
    write(shop / ".env", "SHOP_KEY=1\n")
    with managing(shop, *ONCE) as server:
        assert ".env: SHOP_KEY cannot be seen by shop.settings" in server.output()


def test_a_manage_py_that_is_the_whole_project(tmp_path: Path) -> None:
    write(
        tmp_path / "manage.py",
        """
        import sys
        from django.conf import settings
        from django.core.management import execute_from_command_line
        from django.http import HttpResponse
        from django.urls import path

        settings.configure(
            DEBUG=True, ROOT_URLCONF=__name__, INSTALLED_APPS=["bascule.django"], SECRET_KEY="x"
        )
        urlpatterns = [path("", lambda request: HttpResponse("all of it"))]

        if __name__ == "__main__":
            execute_from_command_line(sys.argv)
        """,
    )
    with managing(tmp_path, *ONCE) as server:
        assert body(server, "/") == "all of it"
    with managing(tmp_path, "serve", "--port", "0") as server:
        assert body(server, "/") == "all of it"


def test_a_database_that_does_not_answer_is_named(shop: Path) -> None:
    os.mkfifo(shop / "gate")
    append(
        shop / "shop/settings.py",
        """
        from django.core.management.base import BaseCommand
        BaseCommand.check_migrations = lambda self: open("gate").read()
        """,
    )
    waiting = "not ready yet: waiting for the database"
    with managing(shop, *ONCE, wait_for=waiting) as server:
        assert "listening" not in server.output()
        (shop / "gate").write_text("")
        server.wait_for_output("listening on")


@pytest.mark.parametrize("command", [ONCE, RELOADING])
def test_a_thread_that_is_left_does_not_keep_it_from_its_end(
    shop: Path, command: tuple[str, ...]
) -> None:
    thread = "threading.Thread(target=leave.wait, daemon=False, name='left-over').start()"
    append(shop / "shop/views.py", thread + "\n")
    with managing(shop, *command) as server:
        assert server.stop() == 0
        assert "left this running: thread left-over" in server.output()


def test_from_another_directory(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    program = str(shop / "manage.py")
    with managing(elsewhere, *RELOADING, program=program) as server:
        assert body(server, "/") == "one thread"
        settings = shop / "shop/settings.py"
        change(server, settings, "DEBUG = True", "DEBUG = = True", f"watching {shop}")
        change(server, settings, "DEBUG = = True", f"{MENDED}; DEBUG = True", "mended")
        assert body(server, "/") == "one thread"


# As the first process of a container


def has_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run([*AS_PROCESS_1, "true"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not has_namespaces(), reason="no namespaces of processes here")
@pytest.mark.parametrize("args", [RELOADING, ONCE])
def test_orphans_are_reaped_in_a_container(shop: Path, args: tuple[str, ...]) -> None:
    apps = Path(__file__).parents[1] / "process" / "apps"
    append(
        shop / "shop/urls.py",
        """
        from django.http import HttpResponse
        from process_orphans import orphan, zombies

        urlpatterns.insert(0, path("orphan/", lambda request: HttpResponse(orphan())))
        urlpatterns.insert(0, path("zombies/", lambda request: HttpResponse(zombies())))
        """,
    )
    path = os.pathsep.join([str(apps), os.environ.get("PYTHONPATH", "")])
    env = clean_environment({"PYTHONPATH": path})
    command = [*AS_PROCESS_1, sys.executable, "manage.py", *args]
    with serving(command, shop, env, LISTENING) as server:
        outside = server.process.pid
        first = int(Path(f"/proc/{outside}/task/{outside}/children").read_text())
        assert body(server, "/orphan/").isdigit()
        ends_at = time.monotonic() + DEADLINE
        while found := body(server, "/zombies/"):
            assert time.monotonic() < ends_at, found
        os.kill(first, signal.SIGTERM)
        server.wait()


def test_in_a_directory_that_was_deleted(shop: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, sys.executable, str(shop / "manage.py"), *RELOADING],
        cwd=gone,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 1
    assert "CommandError: the current directory has been deleted." in done.stderr
    assert "Traceback" not in done.stderr
