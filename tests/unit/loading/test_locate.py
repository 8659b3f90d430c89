"""Finding the application that TARGET names, and what is said when it is not there."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.errors import StartupError, TargetError
from bascule.loading.locate import load_target
from bascule.settings import Settings
from bascule.worker.applications import ApplicationSource

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes modules into the application's directory; `a__b` is the module a.b."""

    def write(**modules: str) -> None:
        for name, code in modules.items():
            *folders, last = name.replace("____init__", "__INIT").split("__")
            path = tmp_path.joinpath(*folders, last.replace("INIT", "__init__") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(code))

    return write


@pytest.fixture(autouse=True)
def imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test imports from a directory of its own and leaves nothing loaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
    sys.path_importer_cache.clear()


def refused(target: str, factory: bool = False, app_dir: str = "") -> str:
    with pytest.raises(TargetError) as caught:
        load_target(target, factory, app_dir)
    return str(caught.value)


def failed(target: str, factory: bool = False) -> str:
    with pytest.raises(StartupError) as caught:
        load_target(target, factory, "")
    return str(caught.value)


WSGI = """
    def application(environ, start_response):
        return [b"application"]

    def app(environ, start_response):
        return [b"app"]

    class Box:
        inner = app

    box = Box
"""


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("site_a:application", b"application"),
        ("site_a:app", b"app"),
        ("site_a:box.inner", b"app"),
        ("site_a", b"application"),
        ("pack.wsgi", b"application"),
        ("pack.wsgi:app", b"app"),
    ],
)
def test_target(write: Write, target: str, body: bytes) -> None:
    write(site_a=WSGI, pack__wsgi=WSGI)
    app = load_target(target, False, "")
    assert app({}, None) == [body]  # type: ignore[operator]


def test_module_with_app_alone(write: Write) -> None:
    write(site_b="def app(environ, start_response): return [b'app']")
    assert load_target("site_b", False, "")({}, None) == [b"app"]  # type: ignore[operator]


def test_directory_of_the_application(write: Write, tmp_path: Path) -> None:
    write(sub__site_c=WSGI)
    app = load_target("site_c", False, "sub")
    assert app({}, None) == [b"application"]  # type: ignore[operator]
    assert sys.path[0] == str(tmp_path / "sub")
    load_target("site_c", False, "sub")
    assert sys.path.count(str(tmp_path / "sub")) == 1


@pytest.mark.parametrize(
    ("target", "instead"),
    [
        ("site_a.py", "site_a"),
        ("site_a.py:app", "site_a:app"),
        ("./site_a.py", "site_a"),
        ("pack/wsgi.py", "pack.wsgi"),
        ("pack/wsgi", "pack.wsgi"),
        ("pack/__init__.py:app", "pack:app"),
        ("../other/site_z.py", "site_z --app-dir "),
    ],
)
def test_path_instead_of_a_module(write: Write, target: str, instead: str) -> None:
    write(site_a=WSGI, pack__wsgi=WSGI)
    message = refused(target)
    assert message.startswith(
        f"TARGET {target!r} is the path of a file; give its module: {instead}"
    )


def test_path_outside_of_the_directory(tmp_path: Path) -> None:
    message = refused("/srv/site/main.py:app")
    assert message.endswith("give its module: main:app --app-dir /srv/site")


def test_call_in_the_target() -> None:
    message = refused("site_a:create_app('x')")
    assert message.endswith("give the factory's name: site_a:create_app --factory")


@pytest.mark.parametrize("target", ["my-site", "a..b", ":app", "a:b-c", "a:b:c", "a b", "."])
def test_target_is_not_a_name(target: str) -> None:
    assert "is not a name; give module:attribute" in refused(target)


def test_module_is_missing(write: Write, tmp_path: Path) -> None:
    write(polls=WSGI)
    assert refused("pols").splitlines() == [
        "there is no module 'pols'.",
        f"looked in {tmp_path} and in what is installed for {sys.executable}.",
        "did you mean polls?",
    ]


def test_module_of_a_package_is_missing(write: Write, tmp_path: Path) -> None:
    write(polls____init__="", polls__wsgi=WSGI, polls__urls="")
    assert refused("polls.wsgy:app").splitlines() == [
        "there is no module 'polls.wsgy'.",
        f"polls is {tmp_path}/polls/__init__.py.",
        "did you mean polls.wsgi:app?",
    ]


def test_package_of_a_module_is_missing(write: Write) -> None:
    write(polls____init__="", polls__wsgi=WSGI)
    assert refused("pols.wsgi").endswith("did you mean polls.wsgi?")


def test_package_was_left_out(write: Write) -> None:
    write(polls____init__="", polls__wsgi=WSGI)
    assert refused("wsgi").endswith("did you mean polls.wsgi?")


def test_module_in_another_directory(write: Write) -> None:
    write(backend__polls____init__="", backend__polls__wsgi=WSGI)
    assert refused("polls.wsgi").endswith("did you mean polls.wsgi --app-dir backend?")


def test_attribute_was_joined_by_a_dot(write: Write) -> None:
    write(polls____init__="", polls__wsgi=WSGI)
    message = refused("polls.wsgi.application:x")
    assert "polls.wsgi is " in message
    assert message.endswith("did you mean polls.wsgi:application?")


def test_only_modules_that_exist_are_suggested(write: Write) -> None:
    write(app1____init__="", app1__wsgi=WSGI, apps____init__="", tools__x="")
    lines = refused("app2.main").splitlines()
    assert lines[0] == "there is no module 'app2'."
    assert lines[-1] == "did you mean app1.wsgi?"
    write(app1__main=WSGI, site__app2__main=WSGI)
    assert refused("app2.main:app").endswith(
        "did you mean app1.main:app or app2.main:app --app-dir site?"
    )


def test_no_module_of_that_name_in_a_package_like_it(write: Write) -> None:
    write(app1____init__="", app1__models="")
    assert refused("app2.main").splitlines()[-1] == (
        "there are: app1; or give another directory with --app-dir"
    )


def test_module_above_the_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(polls____init__="", polls__wsgi=WSGI, polls__static__x="")
    monkeypatch.chdir(tmp_path / "polls")
    assert refused("polls.wsgi").endswith("did you mean polls.wsgi --app-dir ..?")
    monkeypatch.chdir(tmp_path / "polls/static")
    assert refused("polls.wsgi").endswith("did you mean polls.wsgi --app-dir ../..?")


def test_package_of_a_django_project(write: Write) -> None:
    write(polls____init__="", polls__wsgi=WSGI, polls__settings="")
    lines = refused("polls").splitlines()
    assert lines[1] == "did you mean polls.wsgi?"
    assert "DJANGO_SETTINGS_MODULE=polls.settings bascule serve polls" in lines[2]
    assert 'bascule.serve(bascule.django.project("polls.settings"))' in lines[2]


def test_modules_of_a_django_project_that_are_no_application(write: Write) -> None:
    write(
        polls____init__="", polls__production="INSTALLED_APPS = []", polls__urls="urlpatterns = []"
    )
    line = refused("polls.production").splitlines()[1]
    assert "DJANGO_SETTINGS_MODULE=polls.production bascule serve polls serves it" in line
    assert 'bascule.serve(bascule.django.project("polls.production"))' in line
    assert refused("polls.urls").endswith("bascule serve polls serves the project")


def test_nothing_like_the_module(write: Write) -> None:
    write(aaa="", bbb="")
    message = refused("zzz")
    assert message.endswith("there are: aaa, bbb; or give another directory with --app-dir")


def test_directory_without_modules() -> None:
    message = refused("zzz")
    assert message.endswith("give the application's directory with --app-dir")


def test_application_directory_does_not_exist() -> None:
    assert "no Python module lies there" in refused("zzz", app_dir="nowhere")


def test_module_without_application(write: Write) -> None:
    write(
        site_d="""
        from wsgiref.simple_server import demo_app
        import textwrap
        number = 3
        def _private(environ, start_response): ...
        def create_app(): ...
        async def main(scope, receive, send): ...
        def four(a, b, c, d): ...
        class Site:
            def __init__(self, name): ...
            def __call__(self, environ, start_response): ...
        site = Site("x")
        """
    )
    assert refused("site_d").splitlines() == [
        "the module site_d has neither application nor app.",
        "Applications found there:",
        "  site_d:main  (asgi3)",
        "  site_d:site  (wsgi)",
        "  site_d:create_app  (a factory, with --factory)",
    ]


def test_package_whose_module_has_the_application(write: Write) -> None:
    write(polls____init__="", polls__wsgi=WSGI, polls__asgi="", polls__urls="")
    assert refused("polls").splitlines() == [
        "the module polls has neither application nor app.",
        "did you mean polls.wsgi or polls.asgi?",
    ]


def test_module_with_nothing_to_serve(write: Write, tmp_path: Path) -> None:
    write(site_e="number = 3")
    assert refused("site_e").endswith(
        f"Nothing in {tmp_path}/site_e.py looks like an application."
    )


def test_attribute_is_missing(write: Write) -> None:
    write(site_a=WSGI)
    lines = refused("site_a:aplication").splitlines()
    assert lines[0] == ("the module site_a has no 'aplication'; did you mean site_a:application?")
    assert "  site_a:app  (wsgi)" in lines


def test_attribute_like_nothing(write: Write) -> None:
    write(site_a=WSGI)
    assert refused("site_a:zzz").startswith("the module site_a has no 'zzz'\n")


def test_attribute_of_an_object_is_missing(write: Write) -> None:
    write(site_a=WSGI)
    assert refused("site_a:box.outer") == "the class Box has no attribute 'outer'"


def test_attribute_is_a_module(write: Write) -> None:
    write(polls____init__="", polls__wsgi=WSGI)
    message = refused("polls:wsgi")
    assert message == "'wsgi' is a module in polls; give polls.wsgi"


def test_attribute_is_a_module_that_is_loaded(write: Write) -> None:
    write(polls____init__="from polls import wsgi", polls__wsgi=WSGI)
    assert refused("polls:wsgi") == "polls:wsgi is a module; give polls.wsgi"


GETTERS = """
    import importlib

    class Box:
        @property
        def inner(self):
            return helper()

        @property
        def other(self):
            raise AttributeError("set DATABASE_URL")

    def helper():
        return None.wsgi_app

    def __getattr__(name):
        if name == "lazy":
            return helper()
        if name == "configured":
            raise AttributeError("set DATABASE_URL first")
        if name == "leaves":
            raise SystemExit(3)
        if name == "absent_module":
            return importlib.import_module("not_installed_at_all")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    box = Box()
"""


@pytest.mark.parametrize(
    ("attribute", "shown"),
    [
        ("box.inner", "'NoneType' object has no attribute 'wsgi_app'"),
        ("box.other", "set DATABASE_URL"),
        ("lazy", "'NoneType' object has no attribute 'wsgi_app'"),
        ("configured", "set DATABASE_URL first"),
        ("leaves", "it called sys.exit()"),
        ("absent_module", "not_installed_at_all is not installed for"),
    ],
)
def test_code_behind_an_attribute_that_fails(write: Write, attribute: str, shown: str) -> None:
    write(site_g=GETTERS)
    message = failed(f"site_g:{attribute}")
    assert message.startswith(f"site_g:{attribute} could not be loaded; its code raised")
    assert shown in message
    assert "locate.py" not in message


@pytest.mark.parametrize("attribute", ["nothing", "box.nothing"])
def test_attribute_that_no_code_has(write: Write, attribute: str) -> None:
    write(site_g=GETTERS)
    assert "no" in refused(f"site_g:{attribute}")


def test_code_behind_the_usual_name_that_fails(write: Write) -> None:
    write(
        site_h="""
        def __getattr__(name):
            if name == "app":
                return {}["SETTINGS"]
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        """
    )
    assert "its code raised KeyError" in failed("site_h")


def test_attribute_that_raises(write: Write) -> None:
    write(
        site_f="""
        class Lazy:
            @property
            def app(self):
                raise RuntimeError("not yet")
        lazy = Lazy()
        """
    )
    assert "RuntimeError: not yet" in failed("site_f:lazy.app")


def test_attribute_that_cannot_be_called(write: Write) -> None:
    write(site_g="app = 'text'")
    assert refused("site_g") == (
        "site_g is an object of the type str, which cannot be called; an application is a callable"
    )


FACTORY = """
    def create_app():
        return lambda environ, start_response: [b"made"]

    def with_default(config=None):
        return create_app()

    async def later():
        return create_app()

    def needs(config):
        return create_app()

    def nothing():
        pass

    def broken():
        return 1 / 0

    def leaves():
        raise SystemExit(3)

    class Object:
        def __call__(self, environ, start_response):
            return [b"object"]
"""


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("fact:create_app", b"made"),
        ("fact:with_default", b"made"),
        ("fact", b"made"),
        ("fact:Object", b"object"),
    ],
)
def test_factory(write: Write, target: str, body: bytes) -> None:
    write(fact=FACTORY)
    app = load_target(target, True, "")
    assert app({}, None) == [body]  # type: ignore[operator]


@pytest.mark.parametrize("name", ["create_app", "with_default", "Object"])
def test_factory_without_its_flag(write: Write, name: str) -> None:
    write(fact=FACTORY)
    lines = refused(f"fact:{name}").splitlines()
    assert lines[0].endswith("which takes no arguments.")
    assert lines[1] == f"If it returns the application, add --factory: fact:{name} --factory"


@pytest.mark.parametrize(
    ("target", "part"),
    [
        ("fact:needs", "a factory is called without arguments"),
        ("fact:__name__", "a factory is called without arguments"),
        ("site_a:app", "leave --factory out"),
        ("fact:later", "a factory is a plain function"),
        ("fact:nothing", "fact:nothing() returned an object of the type NoneType"),
    ],
)
def test_what_is_no_factory(write: Write, target: str, part: str) -> None:
    write(fact=FACTORY, site_a=WSGI)
    assert part in refused(target, factory=True)


def test_module_without_factory(write: Write) -> None:
    write(empty_module="")
    assert "has neither create_app nor make_app nor" in refused("empty_module", factory=True)


def test_factory_that_raises(write: Write) -> None:
    write(fact=FACTORY)
    message = failed("fact:broken", factory=True)
    assert message.startswith("fact:broken() could not be loaded; its code raised ZeroDivision")
    assert "return 1 / 0" in message
    assert "bascule" not in message


def test_factory_that_leaves(write: Write) -> None:
    write(fact=FACTORY)
    assert "raised SystemExit(3): it called sys.exit()" in failed("fact:leaves", factory=True)


def test_module_that_raises_shows_its_own_frames_only(write: Write) -> None:
    write(
        outer="import inner\n",
        inner="""
        def fail():
            try:
                {}["key"]
            except KeyError as error:
                raise RuntimeError("no configuration") from error

        fail()
        app = fail
        """,
    )
    message = failed("outer")
    lines = message.splitlines()
    assert lines[0] == "outer could not be loaded; its code raised RuntimeError"
    assert 'outer.py", line 1, in <module>' in message
    assert 'inner.py", line 8, in <module>' in message
    assert "KeyError: 'key'" in message
    assert lines[-1] == "RuntimeError: no configuration"
    assert "importlib" not in message
    assert "bascule" not in message


def test_groups_of_exceptions_are_trimmed_too(write: Write) -> None:
    write(
        grouped="""
        import importlib
        try:
            importlib.import_module("grouped_inner")
        except ValueError as error:
            raise ExceptionGroup("several", [error, TypeError("other")])
        """,
        grouped_inner="raise ValueError('inside')",
    )
    message = failed("grouped")
    assert "ValueError: inside" in message
    assert "TypeError: other" in message
    assert "importlib._bootstrap" not in message


def test_syntax_error_is_shown(write: Write) -> None:
    write(bad_syntax="def app(:\n    pass\n")
    message = failed("bad_syntax")
    assert 'bad_syntax.py", line 1' in message
    assert "def app(:" in message
    assert "SyntaxError: invalid syntax" in message


def test_module_that_leaves(write: Write) -> None:
    write(leaving="import sys\nsys.exit('usage: leaving')\n")
    message = failed("leaving")
    assert "SystemExit('usage: leaving'): it called sys.exit()" in message


def test_import_inside_the_application_fails(write: Write) -> None:
    write(needs_more="import not_installed_anywhere\n")
    message = failed("needs_more")
    assert "ModuleNotFoundError: No module named 'not_installed_anywhere'" in message
    assert message.splitlines()[-1] == (
        f"not_installed_anywhere is not installed for {sys.executable}. "
        "Is that the environment of the application?"
    )


def test_slip_in_a_name_inside_the_application(write: Write) -> None:
    write(slip____init__="", slip__wsgi="import slip.setings\n")
    message = failed("slip.wsgi")
    assert message.endswith("ModuleNotFoundError: No module named 'slip.setings'")


def test_name_that_cannot_be_imported(write: Write) -> None:
    write(wrong_name="from os import no_such_name\n")
    message = failed("wrong_name")
    assert "ImportError: cannot import name 'no_such_name'" in message
    assert "is not installed" not in message


def test_django_without_settings(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "no_such_settings")
    write(
        dj_site="""
        from django.conf import LazySettings
        LazySettings().INSTALLED_APPS
        """
    )
    message = failed("dj_site")
    assert "ModuleNotFoundError: No module named 'no_such_settings'" in message
    assert "dj_site.py" in message
    assert "interfaces/locate" not in message


def test_a_proxy_whose_object_cannot_be_had(write: Write) -> None:
    """As LocalProxy and SimpleLazyObject: even isinstance() raises, as it asks for the class."""
    write(
        lazy_site="""
        class Lazy:
            @property
            def __class__(self):
                raise LookupError("not now")

        class Callable(Lazy):
            def __call__(self, *args): ...

        lazy = Lazy()
        local = Callable()
        """
    )
    assert "Lazy, which cannot be called" in refused("lazy_site:lazy")
    assert "has no 'loca'; did you mean lazy_site:local?" in refused("lazy_site:loca")
    found = load_target("lazy_site:local", False, "")
    with pytest.raises(TargetError, match="cannot tell how an object of the type lazy_site"):
        ApplicationSource(found).find(Settings())
