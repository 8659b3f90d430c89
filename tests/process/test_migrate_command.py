"""`bascule migrate`, as people run it."""

from pathlib import Path

import pytest

from support.commands import bascule

CONFIG = "workers = 3\nbind = '127.0.0.1:9000'\nworker_class = 'gevent'\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "gunicorn.conf.py").write_text(CONFIG)
    (tmp_path / "Procfile").write_text(
        "release: ./migrate\nweb: gunicorn mysite.wsgi --threads 5\n"
    )
    return tmp_path


def test_files_of_the_directory_become_settings_that_bascule_has(site: Path) -> None:
    done = bascule("migrate", "--output", "bascule.toml", cwd=site)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("bascule.toml: 4 settings; remarks about")
    shown = bascule("config", cwd=site)
    assert shown.returncode == 0
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in shown.stdout.splitlines()}
    assert rows["workers"][0] == "3"
    assert rows["threads"][0] == "5"
    assert rows["bind"][0] == "127.0.0.1:9000"
    assert rows["target"][0] == "mysite.wsgi"
    text = (site / "bascule.toml").read_text()
    assert "threads = 5  # Procfile line 2: --threads 5" in text
    assert "gunicorn.conf.py line 3: worker_class = 'gevent'" in text
    assert "web: bascule serve" in text


def test_a_file_is_printed(site: Path) -> None:
    done = bascule("migrate", "gunicorn.conf.py", cwd=site)
    assert (done.returncode, done.stderr) == (0, "")
    assert "workers = 3  # gunicorn.conf.py line 1: workers = 3" in done.stdout
    assert not (site / "bascule.toml").exists()


def test_a_command_is_read(tmp_path: Path) -> None:
    done = bascule("migrate", "--command", "uvicorn main:app --port 81", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert 'target = "main:app"' in done.stdout
    assert "port = 81" in done.stdout


def test_a_file_is_replaced_only_by_force(site: Path) -> None:
    (site / "bascule.toml").write_text("threads = 1\n")
    done = bascule("migrate", "--output", "bascule.toml", cwd=site)
    assert done.returncode == 2
    assert done.stderr == "bascule: bascule.toml exists already; --force replaces it\n"
    assert (site / "bascule.toml").read_text() == "threads = 1\n"
    assert bascule("migrate", "--output", "bascule.toml", "--force", cwd=site).returncode == 0
    assert "threads = 5" in (site / "bascule.toml").read_text()


def test_nothing_is_executed_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "gunicorn.conf.py"
    path.write_text(
        "open('made', 'w').close()\nworkers = sum([2])\nthreads = sum(x for x in [3])\n"
    )
    done = bascule("migrate", cwd=tmp_path)
    assert done.returncode == 0
    assert not (tmp_path / "made").exists()
    assert "threads = 3" not in done.stdout
    done = bascule("migrate", "--execute", cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "made").exists()
    assert "threads = 3" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "there is no configuration of another server in this directory"),
        (("missing.py",), "missing.py: there is no such file"),
        (("folder",), "folder is a directory"),
        (("notes.txt",), "notes.txt: is not a configuration that Bascule knows"),
        (("binary.py",), "binary.py: is not UTF-8 text"),
        (("broken.py",), "broken.py line 2: "),
        (("--from", "procfile", "notes.txt"), "notes.txt line 1: this is not PROCESS: COMMAND"),
        (("other/Procfile",), "starts and configures none of the servers"),
        (("--command", "celery worker"), "the command starts none of these servers"),
        (("--command", "gunicorn 'a"), "a quotation mark ' has no end"),
        (("--command", "gunicorn a", "--output", "no/such/dir"), "No such file"),
        (("--from", "apachi", "notes.txt"), "apachi"),
    ],
)
def test_errors_are_for_people(tmp_path: Path, arguments: tuple[str, ...], error: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "Procfile").write_text("worker: celery worker\n")
    (tmp_path / "notes.txt").write_text("Buy milk.\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe")
    (tmp_path / "broken.py").write_text("workers = 2\nbind = = 3\n")
    done = bascule("migrate", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert error in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help(tmp_path: Path) -> None:
    done = bascule("migrate", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for flag in ("--command", "--from", "--output", "--force", "--execute"):
        assert flag in done.stdout
