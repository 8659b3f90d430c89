"""Settings that a framework's project brings: the weakest source, and one that may name TARGET."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bascule.errors import SettingsError
from bascule.settings import Settings, load_settings
from bascule.settings.findings import Given, Rank, Source
from bascule.settings.load import ProjectSettings


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Finder:
    """Stands in for a framework: knows one project, and keeps what it was asked."""

    def __init__(self, findings: tuple[str, ...] = (), **values: object) -> None:
        self.findings = findings
        self.values = values
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def __call__(
        self, target: str, app_dir: str, environ: Mapping[str, str]
    ) -> ProjectSettings | None:
        self.asked.append((target, app_dir, dict(environ)))
        if target not in ("", "shop"):
            return None
        layer = {
            name: Given(value, Source(Rank.PROJECT, "shop.settings", name.upper()))
            for name, value in self.values.items()
        }
        return ProjectSettings(
            "shop", Source(Rank.PROJECT, "manage.py", "MODULE"), layer, self.findings
        )


def load(finder: Finder, said: dict[str, object] | None = None, **more: Any) -> Settings:
    return load_settings(said or {}, find_project=finder, **{"environ": {}, **more})


def test_it_names_the_target_and_is_asked_with_all_that_leads_to_it(directory: Path) -> None:
    (directory / "here").mkdir()
    (directory / ".env").write_text("MODULE=shop.settings\n")
    finder = Finder(threads=3)
    settings = load(finder, {"app_dir": "here", "env_file": ".env"}, environ={"A": "b"})
    assert finder.asked == [("", "here", {"MODULE": "shop.settings", "A": "b"})]
    assert (settings.target, settings.source_of("target")) == ("shop", "manage.py")
    assert (settings.threads, settings.source_of("threads")) == (3, "shop.settings")


def test_it_is_stronger_than_a_preset_and_weaker_than_a_file(directory: Path) -> None:
    (directory / "bascule.toml").write_text("backlog = 7\n")
    preset = {"debug": True, "reload": True}
    settings = load(
        Finder(debug=False, backlog=5), {"target": "shop"}, preset=preset, preset_name="x"
    )
    assert (settings.debug, settings.reload, settings.backlog) == (False, True, 7)
    assert settings.source_of("target") == "command line"


def test_another_target_is_none_of_its_business() -> None:
    settings = load(Finder(threads=3), {"target": "main:app"})
    assert (settings.target, settings.threads) == ("main:app", 8)


def test_mounts_without_a_target_are_not_completed() -> None:
    finder = Finder()
    assert load(finder, {"mount": ("/a=b:c",)}).target == ""
    assert finder.asked == []


def test_where_it_listens_is_replaced_as_a_whole() -> None:
    settings = load(Finder(uds="/run/shop.sock"), {"port": "1"})
    assert (settings.uds, settings.port) == (None, 1)
    assert str(load(Finder(uds="/run/shop.sock")).addresses[0]) == "unix:/run/shop.sock"


def test_what_is_wrong_with_it_is_said_with_the_rest() -> None:
    with pytest.raises(SettingsError) as caught:
        load(Finder(findings=("shop.settings: X is wrong",), threads="many"), {"port": "none"})
    assert len(caught.value.findings) == 3
    assert "shop.settings: X is wrong" in caught.value.findings
    assert caught.value.findings[-1].startswith("shop.settings: THREADS 'many' is not a whole")
