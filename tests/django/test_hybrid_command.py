"""`bascule serve` for Django projects: what is found, what is refused, and with which words."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hybrid_sites import EDGES, ask

from support.commands import bascule, started
from support.server import running

MANAGE = """
    import os
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{module}")
    from django.core.management import execute_from_command_line
"""
SETTINGS = """
    SECRET_KEY = "x"
    ALLOWED_HOSTS = ["*"]
    INSTALLED_APPS = []
    ROOT_URLCONF = "shop.urls"
"""
URLS = """
    import os
    from django.http import HttpResponse
    from django.urls import path

    async def index(request):
        return HttpResponse(os.environ["DJANGO_SETTINGS_MODULE"])

    urlpatterns = [path("", index)]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The directory of a project `shop`, without wsgi and asgi modules."""
    write(tmp_path / "manage.py", MANAGE.format(module="shop.settings"))
    write(tmp_path / "shop/__init__.py", "")
    write(tmp_path / "shop/settings.py", SETTINGS)
    write(tmp_path / "shop/urls.py", URLS)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(textwrap.dedent(text))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + textwrap.dedent(text))


def refused(site: Path, *args: str, code: int = 2, **env: str) -> str:
    done = bascule("serve", "--port", "0", *args, cwd=site, env=env)
    assert done.returncode == code, done.stderr
    return done.stderr


def configured(site: Path, *args: str, **env: str) -> dict[str, list[str]]:
    """Return the output of `bascule config`: of each setting its value and its source."""
    done = bascule("config", *args, cwd=site, env=env)
    assert done.returncode == 0, done.stderr
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    return {name: rest for name, *rest in rows}


# Projects that are found


@pytest.mark.parametrize("args", [("shop",), ("--no-access-log",)], ids=["named", "by manage.py"])
def test_the_project(site: Path, args: tuple[str, ...]) -> None:
    with running(*args, cwd=site) as server:
        assert ask(server.port, "/")[0].body == b"shop.settings"
        line = "serving shop as Django: WSGI in 8 threads, ASGI on the loop"
        server.wait_for_output(line)


def test_from_another_directory(site: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with running("shop", "--app-dir", str(site), cwd=elsewhere) as server:
        assert ask(server.port, "/")[0].body == b"shop.settings"


def test_the_environment_is_stronger_than_manage_py(site: Path) -> None:
    shutil.copy(site / "shop/settings.py", site / "shop/production.py")
    env = {"DJANGO_SETTINGS_MODULE": "shop.production"}
    for args in (("shop",), ("--no-access-log",)):
        with running(*args, cwd=site, env=env) as server:
            assert ask(server.port, "/")[0].body == b"shop.production"


def test_an_env_file_names_the_settings(site: Path) -> None:
    shutil.copy(site / "shop/settings.py", site / "shop/production.py")
    write(site / ".env", "DJANGO_SETTINGS_MODULE=shop.production\n")
    with running("--env-file=.env", cwd=site) as server:
        assert ask(server.port, "/")[0].body == b"shop.production"


def test_a_package_of_settings(site: Path) -> None:
    write(site / "shop/settings/__init__.py", "")
    shutil.move(site / "shop/settings.py", site / "shop/settings/local.py")
    write(site / "manage.py", MANAGE.format(module="shop.settings.local"))
    with running("shop", cwd=site) as server:
        assert ask(server.port, "/")[0].body == b"shop.settings.local"


def test_one_side_alone(site: Path) -> None:
    with running("shop", "--interface", "wsgi", cwd=site) as server:
        assert ask(server.port, "/")[0].body == b"shop.settings"
        server.wait_for_output("serving shop as WSGI in 8 threads")
    with running("shop", "--interface", "asgi", cwd=site) as server:
        assert ask(server.port, "/")[0].body == b"shop.settings"
        server.wait_for_output("serving shop as ASGI 3")


def test_from_python(site: Path) -> None:
    write(
        site / "own.py",
        """
        import bascule.django.loading.sides
        import bascule.django

        app = bascule.django.project("shop.settings")
        print(app.name, app.framework, app.belongs_to_loop("/"), app.belongs_to_loop("/x"))
        """,
    )
    done = subprocess.run(
        [sys.executable, "own.py"], cwd=site, capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == ("shop Django True False\n", "")


def add_wsgi_module(site: Path) -> None:
    shutil.copy(EDGES / "hybrid_edges/wsgi.py", site / "shop/wsgi.py")
    text = (site / "shop/wsgi.py").read_text().replace("hybrid_edges", "shop")
    (site / "shop/wsgi.py").write_text(text)


def test_modules_are_served_as_ever(site: Path) -> None:
    add_wsgi_module(site)
    append(site / "shop/settings.py", 'BASCULE = {"THREADS": 3}\n')
    with running("shop.wsgi", cwd=site) as server:
        assert ask(server.port, "/")[0].body == b"shop.settings"
        server.wait_for_output("serving shop.wsgi as WSGI in 8 threads")


@pytest.mark.parametrize(
    ("target", "more", "label"),
    [
        ("shop", "", "shop"),
        ("shop", "WSGI_APPLICATION = 'shop.wsgi.application'", "shop.wsgi.application"),
        ("shop.wsgi", "", "shop.wsgi"),
    ],
    ids=["of the project", "named in the settings", "its module"],
)
def test_what_signals_do_is_done_by_bascule(
    site: Path, target: str, more: str, label: str
) -> None:
    add_wsgi_module(site)
    append(site / "shop/settings.py", f"{more}\n")
    with running(target, "--log-level", "debug", cwd=site) as server:
        assert ask(server.port, "/")[0].body == b"shop.settings"
        server.wait_for_output(f"{label} is Django's handler: what its signals do is done by")


def test_a_package_of_another_framework_is_no_project(tmp_path: Path) -> None:
    write(tmp_path / "site_of_flask/__init__.py", "def app(environ, start_response): ...")
    write(tmp_path / "site_of_flask/settings.py", "DEBUG = False")
    with running("site_of_flask", cwd=tmp_path) as server:
        assert "serving site_of_flask as WSGI" in server.wait_for_output("listening")


def test_in_development_a_change_of_the_settings_is_served(site: Path) -> None:
    with started("dev", "--port", "0", cwd=site) as server:
        server.wait_for_output("serving shop as Django: WSGI in 8 threads")
        append(site / "shop/settings.py", 'BASCULE = {"THREADS": 3}\n')
        server.wait_for_output("serving shop as Django: WSGI in 3 threads")


# Refusals


def test_no_project(tmp_path: Path) -> None:
    assert "TARGET is missing" in refused(tmp_path)
    write(tmp_path / "manage.py", "print('of something else')")
    assert "TARGET is missing" in refused(tmp_path)


def test_no_project_here_but_above(site: Path) -> None:
    (site / "shop/static").mkdir()
    message = refused(site / "shop/static")
    assert message.startswith("bascule: TARGET is missing")
    assert f"manage.py is above, in {site}: go there, or give --app-dir {site}" in message
    assert f"above, in {site}" in refused(site, "--app-dir", "shop")
    assert "did you mean shop --app-dir ..?" in refused(site / "shop", "shop")


def test_an_installed_project(site: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    env = {"PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    write(site / "shop/wsgi.py", "")
    message = refused(empty, "shop", "--app-dir", "/", **env)
    assert "DJANGO_SETTINGS_MODULE=shop.settings bascule serve shop" in message
    env["DJANGO_SETTINGS_MODULE"] = "shop.settings"
    message = refused(empty, "--app-dir", "/", **env)
    assert "DJANGO_SETTINGS_MODULE is shop.settings; give its package: bascule serve shop" in (
        message
    )
    message = refused(empty, "shop", "--interface", "asgi2", **env)
    assert "shop is a Django project, which has no asgi2 side" in message


@pytest.mark.parametrize(
    ("target", "typed"),
    [
        ("manage.py", "bascule serve, or: bascule serve shop\n"),
        ("./manage.py", "bascule serve, or: bascule serve shop\n"),
        (
            "../one/manage.py",
            "bascule serve --app-dir ../one, or: bascule serve shop --app-dir ../one\n",
        ),
        ("shop.settings", "bascule serve shop\n"),
        ("shop/settings.py", "bascule serve shop\n"),
        ("shop.settings_of.local", "there is no module"),
    ],
)
def test_files_of_a_project_that_are_no_application(
    tmp_path: Path, target: str, typed: str
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write(one / "manage.py", MANAGE.format(module="shop.settings"))
    write(one / "shop/__init__.py", "")
    write(one / "shop/settings.py", SETTINGS)
    two.mkdir()
    assert typed in refused(two if target.startswith("..") else one, target)


def test_settings_in_a_package_instead_of_the_project(site: Path) -> None:
    write(site / "shop/settings/__init__.py", "")
    write(site / "shop/settings/local.py", SETTINGS)
    (site / "shop/settings.py").unlink()
    typed = "type: DJANGO_SETTINGS_MODULE=shop.settings.local bascule serve shop"
    assert typed in refused(site, "shop.settings.local")


def test_a_manage_py_that_computes_the_name(site: Path) -> None:
    write(site / "manage.py", "import django, os\nos.environ['DJANGO_SETTINGS_MODULE'] = str(1)")
    assert "manage.py names no settings module that can be read out of it" in refused(site)
    shutil.move(site / "manage.py", site / "broken.txt")
    write(site / "manage.py", "import django\nif")
    assert "manage.py names no settings module" in refused(site)


def test_settings_that_are_not_there(site: Path) -> None:
    message = refused(site, DJANGO_SETTINGS_MODULE="shop.settingz")
    assert "DJANGO_SETTINGS_MODULE is 'shop.settingz' (environment)" in message
    assert "did you mean shop.settings?" in message
    write(site / "manage.py", MANAGE.format(module="shoop.settings"))
    assert "'shoop.settings' (manage.py): there is no module 'shoop'" in refused(site)


def test_settings_that_raise(site: Path) -> None:
    append(site / "shop/settings.py", "raise RuntimeError('broken settings')")
    message = refused(site, "shop", code=3)
    assert message.startswith(
        "bascule: shop.settings could not be loaded; its code raised RuntimeErr"
    )
    assert "RuntimeError: broken settings" in message
    assert "shop/settings.py" in message
    assert "bascule/django" not in message


def test_settings_without_urls(site: Path) -> None:
    write(site / "shop/settings.py", "INSTALLED_APPS = []")
    assert "shop.settings has no ROOT_URLCONF" in refused(site)


def test_a_urlconf_that_raises(site: Path) -> None:
    append(site / "shop/urls.py", "raise RuntimeError('broken urls')")
    message = refused(site, code=3)
    assert message.startswith("bascule: ROOT_URLCONF shop.urls could not be loaded")
    assert "RuntimeError: broken urls" in message
    assert "bascule/django" not in message


@pytest.mark.parametrize("name", ["WSGI_APPLICATION", "ASGI_APPLICATION"])
def test_an_application_that_is_not_there(site: Path, name: str) -> None:
    append(site / "shop/settings.py", f'{name} = "shop.urlz.application"\n')
    message = refused(site)
    assert f"{name} in shop.settings is 'shop.urlz.application': there is no module" in message
    assert "did you mean shop.urls:application?" in message


def test_an_application_of_the_other_kind(site: Path) -> None:
    append(site / "shop/settings.py", 'ASGI_APPLICATION = "shop.urls.wrong"\n')
    append(site / "shop/urls.py", "\ndef wrong(environ, start_response): ...\n")
    assert "is called by WSGI" in refused(site)


def test_an_asgi_module_that_nobody_named_and_that_raises(site: Path) -> None:
    write(site / "shop/asgi.py", "import a_library_that_is_not_there")
    with running("shop", cwd=site) as server:
        output = server.wait_for_output("listening")
        assert "shop.asgi is not used for WebSockets" in output
        assert ask(server.port, "/")[0].status == 200


def test_an_app_that_is_not_installed(site: Path) -> None:
    append(site / "shop/settings.py", 'INSTALLED_APPS = ["not_there"]\n')
    message = refused(site, code=3)
    assert "shop could not be loaded; its code raised ModuleNotFoundError" in message


def test_factory(site: Path) -> None:
    assert "shop is a Django project, not a function" in refused(site, "shop", "--factory")


def test_without_django(site: Path) -> None:
    write(site / "django/__init__.py", "raise ModuleNotFoundError('no django', name='django')")
    assert "Django is not installed for" in refused(site)


# BASCULE in the settings


def test_settings_of_the_project_and_what_is_stronger(site: Path) -> None:
    values = '{"THREADS": 3, "port": 8123, "BACKLOG": 9, "HOST": "::1", "LOOP": "asyncio"}'
    append(site / "shop/settings.py", f"BASCULE = {values}\n")
    write(site / "bascule.toml", "threads = 4")
    found = configured(site, "--host", "127.0.0.2", BASCULE_BACKLOG="5")
    assert found["target"] == ["shop", "manage.py"]
    assert found["port"] == ["8123", "shop.settings BASCULE"]
    assert found["loop"] == ["asyncio", "shop.settings BASCULE"]
    assert found["threads"] == ["4", "bascule.toml line 1"]
    assert found["backlog"] == ["5", "environment BASCULE_BACKLOG"]
    assert found["host"] == ["127.0.0.2", "command line"]


def test_they_are_not_those_of_another_target(site: Path) -> None:
    append(site / "shop/settings.py", "BASCULE = {'THREADS': 3}\n")
    assert configured(site, "shop.wsgi")["threads"] == ["8", "default"]
    assert configured(site, "shop")["threads"] == ["3", "shop.settings BASCULE"]


def test_everything_wrong_is_said_at_once(site: Path) -> None:
    append(
        site / "shop/settings.py",
        """
        BASCULE = {
            "THRAEDS": 3,
            "PORT": "none",
            "TARGET": "x",
            "THREADS": 1,
            "threads": 2,
            "DJANGO_INTERFACE": {"/a/": "asgy", "b": "wsgi", "^(": "asgi"},
        }
        """,
    )
    message = refused(site)
    assert "shop.settings BASCULE: THRAEDS is not a setting; did you mean THREADS?" in message
    assert "shop.settings BASCULE: PORT 'none' is not a whole number" in message
    assert "TARGET cannot be set in Django's settings; use --target" not in message
    assert "TARGET cannot be set in Django's settings" in message
    assert "threads is given twice" in message
    assert "DJANGO_INTERFACE has 'asgy' for '/a/'" in message
    assert "did you mean asgi?" in message
    assert "DJANGO_INTERFACE has 'b', which is neither the beginning of a path" in message
    assert "DJANGO_INTERFACE has '^(', which is no regular expression" in message


def test_something_else_than_a_dict(site: Path) -> None:
    append(site / "shop/settings.py", "BASCULE = 8\n")
    assert "shop.settings: BASCULE is not a dict of settings" in refused(site)
    append(site / "shop/settings.py", "BASCULE = {'DJANGO_INTERFACE': 'asgi'}\n")
    assert "DJANGO_INTERFACE is not a dict" in refused(site)
