"""Workers of a Django project: the supervisor never imports the project, so that a reload serves
new code."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from manage_site import append, body, managing

from support.commands import started
from support.server import Server
from support.workers import ended, pids, successor, wait_for_ready

DEADLINE = 20


def new_code_is_served(server: Server, shop: Path) -> None:
    wait_for_ready(server, 1, 2)
    server.port = int(re.search(r"listening on http://127.0.0.1:(\d+)", server.output())[1])
    assert (body(server, "/"), body(server, "/async/")) == ("one thread", "one loop")
    views = shop / "shop/views.py"
    views.write_text(views.read_text().replace("one {side", "two {side"))
    server.signal(signal.SIGHUP)
    wait_for_ready(server, 3, 4)
    server.wait_for_output(f"worker 2 (pid {pids(server)[2]}) has ended", DEADLINE)
    assert (body(server, "/"), body(server, "/async/")) == ("two thread", "two loop")
    assert server.stop() == 0


@pytest.mark.parametrize("asked", ["by the command line", "by the project"])
def test_new_code_is_served_by_bascule_serve(shop: Path, asked: str) -> None:
    flags = ["--workers", "2"] if asked == "by the command line" else []
    if not flags:
        append(shop / "shop/settings.py", 'BASCULE = {"WORKERS": 2}\n')
    with started("serve", "--port", "0", *flags, cwd=shop) as server:
        new_code_is_served(server, shop)


def test_new_code_is_served_by_manage_serve(shop: Path) -> None:
    with managing(shop, "serve", "--port", "0", "--workers", "2", "--no-access-log") as server:
        new_code_is_served(server, shop)
    assert '"GET / HTTP' not in server.output()


@pytest.mark.parametrize("command", ["bascule serve", "manage.py serve", "path/manage.py serve"])
def test_a_new_release_behind_a_link_is_served(
    shop: Path, tmp_path_factory: pytest.TempPathFactory, command: str
) -> None:
    folder = tmp_path_factory.mktemp("releases")
    current = folder / "current"
    current.symlink_to(shop)
    flags = ("serve", "--port", "0", "--workers", "1")
    env = {"PWD": str(current)}
    if command == "bascule serve":
        serving = started(*flags, cwd=current, env=env)
    elif command == "manage.py serve":
        serving = managing(current, *flags, env=env)
    else:
        serving = managing(folder, *flags, program="current/manage.py")
    with serving as server:
        wait_for_ready(server, 1)
        server.port = int(re.search(r"listening on http://127.0.0.1:(\d+)", server.output())[1])
        assert body(server, "/") == "one thread"
        second = folder / "second"
        shutil.copytree(shop, second)
        views = second / "shop/views.py"
        views.write_text(views.read_text().replace("one {side", "two {side"))
        current.unlink()
        current.symlink_to(second)
        server.signal(signal.SIGHUP)
        wait_for_ready(server, 2)
        server.wait_for_output("has ended (replaced", DEADLINE)
        assert body(server, "/") == "two thread"
        assert server.stop() == 0


def test_other_settings_of_the_project_hold_for_workers(shop: Path) -> None:
    append(shop / "shop/settings.py", 'BASCULE = {"WORKERS": 2, "THREADS": 3}\n')
    with started("serve", "--port", "0", cwd=shop) as server:
        server.wait_for_output("WSGI in 3 threads", DEADLINE)
        server.wait_for_output("worker 2 (pid", DEADLINE)
        assert server.stop() == 0


def test_an_upgrade_asks_the_project_anew_how_many_there_are_to_be(shop: Path) -> None:
    settings = shop / "shop/settings.py"
    append(settings, 'BASCULE = {"WORKERS": 1}\n')
    with started("serve", "--port", "0", cwd=shop) as server:
        wait_for_ready(server, 1)
        append(settings, 'BASCULE = {"WORKERS": 2}\n')
        server.signal(signal.SIGUSR2)
        server.wait_for_output("has taken over", DEADLINE)
        assert server.process.wait(DEADLINE) == 0
        new = successor(server)
        with ended(new):
            os.kill(new, signal.SIGTERM)
        assert "worker 2 (pid" in server.output()


def test_an_upgrade_keeps_a_number_from_the_environment(shop: Path) -> None:
    append(shop / "shop/settings.py", 'BASCULE = {"WORKERS": 2}\n')
    env = {"BASCULE_WORKERS": "1"}
    with managing(shop, "serve", "--port", "0", env=env) as server:
        wait_for_ready(server, 1)
        server.signal(signal.SIGUSR2)
        server.wait_for_output("has taken over", DEADLINE)
        assert server.process.wait(DEADLINE) == 0
        new = successor(server)
        with ended(new):
            os.kill(new, signal.SIGTERM)
        assert "worker 2 (pid" not in server.output()


def test_a_settings_module_that_fails_is_told_of_once(shop: Path) -> None:
    append(shop / "shop/settings.py", "raise RuntimeError('no secrets here')\n")
    with started("serve", "--port", "0", "--workers", "2", cwd=shop) as server:
        assert server.wait() == 3
        assert server.output().count("RuntimeError: no secrets here") == 1
