"""Settings of public configuration files are converted, and none is dropped without a word."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from public_configurations import APACHE, COMMANDS, GUNICORN, UWSGI

from bascule.migration.migrate import migrated
from bascule.migration.shell import split
from bascule.settings import load_settings


def python(items: list[str]) -> str:
    return "\n".join(["import multiprocessing, os", *items, ""])


def ini(items: list[str]) -> str:
    return "\n".join(["[uwsgi]", *items, ""])


def virtual_host(items: list[str]) -> str:
    return "\n".join(["<VirtualHost *:80>", *items, "</VirtualHost>", ""])


FILES: list[tuple[str, Callable[[list[str]], str], str]] = [
    *(("gunicorn.conf.py", python, one) for one in GUNICORN),
    *(("uwsgi.ini", ini, one) for one in UWSGI),
    *(("site.conf", virtual_host, one) for one in APACHE),
]
# Files that a setting names; they need not exist where a configuration is migrated.
NAMED = ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs", "app_dir", "log_config")


def is_loaded(text: str, directory: Path) -> None:
    """Let Bascule load the output, with the files that it names in their place."""
    for name in NAMED:
        found = re.search(rf'^{name} = "(.*?)"', text, re.MULTILINE)
        if found is not None:
            there = directory / (f"{name}.toml" if name == "log_config" else name)
            there.mkdir() if name == "app_dir" else there.touch()
            text = text.replace(found[0], f'{name} = "{there}"')
    path = directory / "bascule.toml"
    path.write_text(text)
    load_settings({"config": str(path)}, environ={}, need_target=False)


@pytest.mark.parametrize(("name", "write", "settings"), FILES)
def test_files(
    name: str,
    write: Callable[[list[str]], str],
    settings: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    items = settings.split("; ")
    Path(name).write_text(write(items))
    text, plan = migrated([name], [], "", False)
    is_loaded(text, tmp_path)
    said = [*(source for line in plan.lines.values() for source in line.sources)]
    said += [f"{one.place}: {one.text}" for one in plan.remarks]
    places = "\n".join(said)
    for number, item in enumerate(items, 2):
        if name == "uwsgi.ini" and f"%({item.partition('=')[0]})" in settings:
            continue  # a variable of the file itself
        if name == "gunicorn.conf.py" and item.startswith(("ip=", "port=")):
            continue
        key = re.split(r"[ =]", item)[0]
        here = re.findall(rf"line {number}: .*|line \d+: .*{re.escape(key)}.*", places)
        assert here, item
        if key == "WSGIDaemonProcess":
            for option in item.split()[2:]:
                assert option in places, option


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, plan = migrated([], [command], "", False)
    is_loaded(text, tmp_path)
    said = " ".join(source for line in plan.lines.values() for source in line.sources)
    said += " ".join(f" {one.text}" for one in plan.remarks)
    (words,) = split(command, "here")
    servers = ("gunicorn", "uvicorn", "hypercorn", "daphne", "uwsgi")
    start = next(index for index, word in enumerate(words) if word in servers)
    for word in words[start + 1 :]:
        assert word in said, word
