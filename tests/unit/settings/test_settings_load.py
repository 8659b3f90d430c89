"""From everything the operator said to Settings, or to all findings at once."""

from pathlib import Path

import pytest

from bascule.errors import SettingsError
from bascule.settings import OPTIONS, Settings, load_settings
from bascule.settings.values import Values


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(command_line: dict[str, object] | None = None, **environ: str) -> Settings:
    return load_settings({"target": "app:app", **(command_line or {})}, environ=environ)


def refused(command_line: dict[str, object] | None = None, **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(command_line, **environ)
    return caught.value.findings


def test_defaults() -> None:
    settings = load_settings(environ={}, need_target=False)
    assert settings == Settings()
    assert {settings.source_of(name) for name in OPTIONS} == {"default"}


def test_precedence(directory: Path) -> None:
    (directory / "bascule.toml").write_text(
        "threads = 1\nbacklog = 1\nlimit-connections = 1\nenv-file = '.env'\nport = 1\n"
    )
    (directory / ".env").write_text(
        "BASCULE_BACKLOG=2\nBASCULE_LIMIT_CONNECTIONS=2\nBASCULE_PORT=2\n"
    )
    settings = load({"port": "4"}, BASCULE_LIMIT_CONNECTIONS="3", BASCULE_PORT="3")
    assert (settings.threads, settings.source_of("threads")) == (1, "bascule.toml line 1")
    assert (settings.backlog, settings.source_of("backlog")) == (2, ".env line 1")
    assert settings.limit_connections == 3
    assert settings.source_of("limit_connections") == "environment BASCULE_LIMIT_CONNECTIONS"
    assert (settings.port, settings.source_of("port")) == (4, "command line")
    assert settings.source_of("host") == "default"


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASCULE_THREADS", "5")
    assert load_settings({"target": "a"}).threads == 5


def test_preset_is_weaker_than_a_file(directory: Path) -> None:
    (directory / "bascule.toml").write_text("debug = false\n")
    settings = load_settings(
        {"target": "a"},
        environ={},
        preset={"debug": True, "reload": True},
        preset_name="bascule dev",
    )
    assert settings.debug is False
    assert settings.reload is True
    assert settings.source_of("reload") == "bascule dev"


@pytest.mark.parametrize("source", ["command line", "environment"])
def test_named_file(directory: Path, source: str) -> None:
    (directory / "bascule.toml").write_text("threads = 1\n")
    (directory / "other.toml").write_text("threads = 2\n")
    if source == "command line":
        settings = load({"config": "other.toml"})
    else:
        settings = load(BASCULE_CONFIG="other.toml")
    assert settings.threads == 2
    assert settings.config == "other.toml"


def test_target_from_the_file(directory: Path) -> None:
    (directory / "bascule.toml").write_text("target = 'mysite.wsgi'\n")
    assert load_settings(environ={}).target == "mysite.wsgi"


def test_target_is_missing() -> None:
    with pytest.raises(SettingsError, match="TARGET is missing: give module:attribute"):
        load_settings(environ={})


def test_target_that_is_wrong_is_not_missing(directory: Path) -> None:
    (directory / "bascule.toml").write_text("target = 3\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(environ={})
    assert caught.value.findings == (
        "bascule.toml line 1: target 3 is not text; put it in quotes",
    )


def test_env_file_is_for_the_application_too(directory: Path) -> None:
    (directory / ".env").write_text("SECRET_KEY=abc\nPORT=7000\n")
    settings = load({"env_file": ".env"})
    assert settings.app_environment == {"SECRET_KEY": "abc", "PORT": "7000"}
    assert settings.port == 7000
    assert settings.source_of("host") == ".env line 2"


def test_env_file_cannot_name_the_files(directory: Path) -> None:
    (directory / ".env").write_text("BASCULE_CONFIG=a.toml\nBASCULE_ENV_FILE=b\n")
    assert refused({"env_file": ".env"}) == (
        ".env line 1: BASCULE_CONFIG comes too late in the env-file itself",
        ".env line 2: BASCULE_ENV_FILE comes too late in the env-file itself",
    )


def test_env_file_is_missing() -> None:
    assert refused(BASCULE_ENV_FILE="nowhere") == (
        "nowhere: there is no such file of environment variables",
    )


def test_all_findings_at_once(directory: Path) -> None:
    (directory / "bascule.toml").write_text("threads = 'many'\nprot = 1\nenv_file = '.env'\n")
    (directory / ".env").write_text("BASCULE_LOOP=fast\nBASCULE_LOP=x\n")
    found = refused(
        {"port": "70000", "ssl_keyfile": "/no/such", "interface": "cgi"},
        BASCULE_LOG_LEVEL="loud",
        BASCULE_X="1",
    )
    assert set(found) == {
        "bascule.toml line 1: threads 'many' is not a whole number; give 0 or more",
        "bascule.toml line 2: prot is not a setting; did you mean port?",
        ".env line 1: BASCULE_LOOP 'fast' is not one of the choices; "
        "give auto or uvloop or asyncio",
        ".env line 2: BASCULE_LOP is not a setting; did you mean BASCULE_LOOP?",
        "environment: BASCULE_LOG_LEVEL 'loud' is not one of the choices; "
        "give critical or error or warning or info or debug",
        "environment: BASCULE_X is not a setting",
        "command line: --port '70000' is out of range; give 0 to 65535",
        "command line: --interface 'cgi' is not one of the choices; "
        "give auto or asgi3 or asgi2 or wsgi",
        "command line: --ssl-keyfile '/no/such' does not exist",
        "command line: --ssl-keyfile has no use without a certificate; "
        "give --ssl-certfile as well",
    }
    assert len(found) == len(set(found))


def test_bad_value_is_refused_even_where_a_stronger_one_is_good() -> None:
    assert refused({"threads": "4"}, BASCULE_THREADS="x") == (
        "environment: BASCULE_THREADS 'x' is not a whole number; give 0 or more",
    )


def test_arguments() -> None:
    settings = Settings(threads=0, bind="127.0.0.1:0", header=[("X-A", "b")])
    assert settings.threads == 0
    assert settings.header == ((b"X-A", b"b"),)
    assert settings.source_of("threads") == "argument"
    assert settings.source_of("port") == "default"


def test_arguments_read_nothing_unasked(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "bascule.toml").write_text("threads = 3\n")
    monkeypatch.setenv("BASCULE_BACKLOG", "3")
    monkeypatch.setenv("PORT", "3")
    assert Settings() == Values()


def test_files_that_arguments_name(directory: Path) -> None:
    (directory / "my.toml").write_text("threads = 3\nport = 3\n")
    (directory / ".env").write_text("BASCULE_THREADS=4\nA=1\n")
    settings = Settings(config="my.toml", env_file=".env", port=5)
    assert (settings.threads, settings.port) == (4, 5)
    assert settings.app_environment == {"A": "1", "BASCULE_THREADS": "4"}


def test_arguments_have_names() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        Settings({"threads": 3})  # type: ignore[call-arg, arg-type]


def test_wrong_arguments_are_all_found() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(thread=1, port=-1, uds="a", fd=3, env_file="")
    assert caught.value.findings == (
        "argument: thread is not a setting; did you mean threads?",
        "argument: port -1 is out of range; give 0 to 65535",
        "argument: env_file '' is empty; give a path, or none",
        "argument: fd and uds both say where to listen; keep one of them",
    )


NO_HOST = "'9197' has no host; give :9197 for all interfaces, or 127.0.0.1:9197 for this machine"


@pytest.mark.parametrize(
    ("file", "environ", "said", "beginning"),
    [
        (
            "",
            {},
            {"bind": ("9197",)},
            "command line: --bind has '9197', which is not an address: ",
        ),
        (
            "",
            {"BASCULE_BIND": "9197"},
            {},
            "environment: BASCULE_BIND '9197' has '9197', which is not an address: ",
        ),
        ("bind = '9197'", {}, {}, "bascule.toml line 1: bind '9197' has '9197', which is not"),
        ("bind = ['9197']", {}, {}, "bascule.toml line 1: bind ['9197'] has '9197', which is not"),
        ("", {}, {"health_bind": "9197"}, "command line: --health-bind '9197' is not an address"),
    ],
)
def test_a_port_without_a_host_is_explained_wherever_it_stands(
    directory: Path,
    file: str,
    environ: dict[str, str],
    said: dict[str, object],
    beginning: str,
) -> None:
    (directory / "bascule.toml").write_text(file)
    (finding,) = refused(said, **environ)
    assert finding.startswith(beginning)
    assert NO_HOST in finding


@pytest.mark.parametrize(
    ("file", "environ", "said"),
    [
        ("", {}, {"pid": "9250"}),
        ("", {"BASCULE_PID": "9250"}, {}),
        ("pid = 9250", {}, {}),
        ("pid = '9250'", {}, {}),
    ],
)
def test_a_port_is_no_pid_file_wherever_it_stands(
    directory: Path, file: str, environ: dict[str, str], said: dict[str, object]
) -> None:
    (directory / "bascule.toml").write_text(file)
    (finding,) = refused(said, **environ)
    assert "to listen there give --port 9250, for a file of that name ./9250" in finding


@pytest.mark.parametrize("name", ["ws_ping_interval", "ws_ping_timeout"])
def test_pings_and_their_deadline_can_be_given_up(directory: Path, name: str) -> None:
    assert getattr(load({name: "none"}), name) is None
    assert getattr(load(**{f"BASCULE_{name.upper()}": "none"}), name) is None
    (directory / "bascule.toml").write_text(f"{name} = 'none'")
    assert getattr(load(), name) is None
    assert getattr(Settings(**{name: None}), name) is None
