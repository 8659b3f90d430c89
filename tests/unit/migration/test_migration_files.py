"""Each kind of file is recognised by its content, and read."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from bascule.errors import UsageError
from bascule.migration.files import recognise, usual_files
from bascule.migration.migrate import migrated
from bascule.migration.plan import Plan

UNIT = r"""
    [Unit]
    Description=A site

    [Service]
    User=www-data
    WorkingDirectory=/srv/site
    Environment="WORKERS=3" "GREETING=good day"
    EnvironmentFile=/etc/site.env
    PIDFile=/run/site.pid
    ; a comment
    ExecStart=/srv/venv/bin/gunicorn --workers ${WORKERS} \
        # another comment
        --bind unix:/run/site.sock site.wsgi:application
    ExecReload=/bin/kill -s HUP $MAINPID
"""
DOCKERFILE = """
    # syntax=docker/dockerfile:1
    FROM python:3.13 AS build
    CMD ["gunicorn", "other"]
    FROM python:3.13
    ENV PORT=8080 THREADS=4
    ENV GREETING good day
    WORKDIR /app
    ENTRYPOINT ["/entry.sh"]
    CMD ["sh", "-c", "./manage.py migrate && gunicorn -b :$PORT --threads $THREADS site.wsgi"]
"""
SUPERVISOR = """
    [supervisord]
    nodaemon=true

    [program:web]
    command=/venv/bin/daphne -u /run/d.sock --fd 0 site.asgi:application ; a comment
    directory=/srv/site
    environment=A="b",C=d
    numprocs=4

    [program:worker]
    command=celery worker
"""
COMPOSE = """
    services:
      web:
        build: .
        command: >
          bash -c "./manage.py migrate &&
          uvicorn main:app --host 0.0.0.0 --port 8000"
        ports: ["8000:8000"]
      worker:
        command: ["celery", "worker"]
"""
HYPERCORN = """
    bind = "0.0.0.0:8000"
    workers = 2
    keep_alive_timeout = 10
    h2_max_concurrent_streams = 5
    colour = "red"
"""
SCRIPT = """
    #!/bin/sh
    set -e
    export WORKERS=2
    ./manage.py migrate --no-input
    exec gunicorn site.wsgi \\
        --workers $WORKERS >> log 2>&1
"""
CASES: dict[str, tuple[str, dict[str, object], list[str]]] = {
    # The name of a file: its text, the settings, pieces of the output.
    "site.service": (
        UNIT,
        {"target": "site.wsgi:application", "workers": 3, "bind": ["unix:/run/site.sock"]},
        [
            "ExecStart=/srv/venv/bin/bascule serve\n",
            "Type=notify",
            "User, WorkingDirectory, Environment, ExecReload stay as they are",
            "line 8: EnvironmentFile=/etc/site.env\n",
            "line 9: PIDFile=/run/site.pid\n",
            "site.service line 11: --workers ${WORKERS} (",
        ],
    ),
    "Dockerfile": (
        DOCKERFILE,
        {"target": "site.wsgi", "host": "0.0.0.0", "port": 8080, "threads": 4},
        [
            'CMD ["sh", "-c", "./manage.py migrate && bascule serve"]',
            'line 8: ENTRYPOINT ["/entry.sh"]\n',
        ],
    ),
    "supervisord.conf": (
        SUPERVISOR,
        {"target": "site.asgi:application", "bind": ["unix:/run/d.sock", "fd://0"]},
        ["[program:web]", "command=/venv/bin/bascule serve\n", "numprocs=4"],
    ),
    "docker-compose.yml": (
        COMPOSE,
        {"target": "main:app", "host": "0.0.0.0", "port": 8000},
        ['command: bash -c "./manage.py migrate && bascule serve"'],
    ),
    "hypercorn.toml": (
        HYPERCORN,
        {"bind": ["0.0.0.0:8000"], "workers": 2, "timeout_keep_alive": 10},
        ["line 4: h2_max_concurrent_streams = 5\n", "colour is no setting of Hypercorn"],
    ),
    "hypercorn_config.py": (
        "bind = ['unix:/run/x']\nworker_class = 'uvloop'\nquic_bind = 'x:1'\n",
        {"bind": ["unix:/run/x"], "loop": "uvloop"},
        ["does not speak HTTP/3"],
    ),
    "Procfile": (
        "release: ./manage.py migrate\nweb: hypercorn a:b -b 0.0.0.0:$PORT --keep-alive 5\n",
        {"target": "a:b", "timeout_keep_alive": 5},
        ["Bascule reads PORT itself", "web: bascule serve"],
    ),
    "start.sh": (
        SCRIPT,
        {"target": "site.wsgi", "workers": 2},
        ["#     exec bascule serve >> log 2>&1\n"],
    ),
}


def migrate(directory: Path, name: str, text: str) -> tuple[str, Plan, dict[str, Any]]:
    path = directory / name
    path.write_text(textwrap.dedent(text).lstrip("\n"))
    output, plan = migrated([str(path)], [], "", False)
    return output, plan, {name: line.value for name, line in plan.lines.items()}


@pytest.mark.parametrize("name", CASES)
def test_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, values, pieces = CASES[name]
    monkeypatch.chdir(tmp_path)
    output, _, found = migrate(Path(), name, text)
    assert found == values
    for piece in pieces:
        assert piece in output, output


@pytest.mark.parametrize("name", [*CASES, "compose.yaml"])
def test_usual_names_are_found_in_a_directory(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("")
    found = [Path(one).name for one in usual_files(str(tmp_path))]
    assert found == ([] if name == "start.sh" else [name])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("unit", "[Service]\nExecStart=/bin/x\n"),
        ("image", "# a comment\nARG A=1\nFROM python\n"),
        ("programs", "[program:x]\ncommand=x\n"),
        ("any", "web: gunicorn x\n"),
        ("start", "#!/bin/sh\n"),
        ("conf.toml", 'bind = "x"\nworkers = 3\n'),
        ("conf.py", "bind = ':80'\n"),
    ],
)
def test_kinds_by_content(name: str, text: str) -> None:
    kinds = ["systemd", "dockerfile", "supervisor", "procfile", "shell", "hypercorn", "gunicorn"]
    names = ["unit", "image", "programs", "any", "start", "conf.toml", "conf.py"]
    assert recognise(name, text).name == kinds[names.index(name)]


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.service", "[Service]\nExecStart\n", r"line 2: this is neither \[SECTION\] nor"),
        ("a.service", "[Service]\nExecStart=gunicorn 'a\n", "line 2: a quotation mark ' has no"),
        ("Dockerfile", "FROM a\nCMD [gunicorn]\n", "line 2: the brackets hold no JSON list"),
        ("Dockerfile", "FROM a\nCMD [1]\n", "line 2: the brackets hold no JSON list"),
        ("hypercorn.toml", "a = = 1\n", "is not valid TOML: .*line 1"),
        ("supervisord.conf", "x\n[program:a]\ncommand=b\n", "line 1: this is neither"),
    ],
)
def test_syntax_errors(name: str, text: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=error):
        migrate(tmp_path, name, text)


def test_an_entrypoint_that_starts_a_server_takes_the_words_of_cmd(tmp_path: Path) -> None:
    text = 'FROM a\nENTRYPOINT ["gunicorn", "-w", "2"]\nCMD ["site.wsgi"]\n'
    output, _, found = migrate(tmp_path, "Dockerfile", text)
    assert found == {"target": "site.wsgi", "workers": 2}
    assert f"ENTRYPOINT {json.dumps(['bascule', 'serve'])}" in output
    assert "CMD is not needed any more" in output


def test_commands_in_compose_files(tmp_path: Path) -> None:
    for value in (
        "uvicorn main:app --port 81",
        '"uvicorn main:app --port 81"',
        "[uvicorn, 'main:app', \"--port\", 81]",
        "\n      - uvicorn\n      - main:app\n      - --port\n      - '81'",
        "|\n      ./manage.py migrate\n      uvicorn main:app --port 81",
    ):
        text = f"services:\n  web:\n    command: {value}\n    image: x\n"
        _, _, found = migrate(tmp_path, "compose.yml", text)
        assert found == {"target": "main:app", "port": 81}, value


def test_an_anchor_is_reported(tmp_path: Path) -> None:
    text = "services:\n  a:\n    command: *run\n  b:\n    command: uvicorn a:b\n"
    _, plan, _ = migrate(tmp_path, "compose.yml", text)
    assert [(one.text, one.place[-6:]) for one in plan.remarks] == [("command: *run", "line 3")]


def test_a_file_that_a_command_names_is_read(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "g.py").write_text("workers = 7\nthreads = 2\n")
    _, _, found = migrate(tmp_path, "Procfile", "web: gunicorn -c conf/g.py -w 3 a.wsgi\n")
    assert found == {"target": "a.wsgi", "workers": 3, "threads": 2}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("daphne a:b", {"target": "a:b"}),
        ("daphne -p 81 a:b", {"target": "a:b", "port": 81}),
        ("daphne -b 0.0.0.0 -p 81 a:b", {"target": "a:b", "bind": ["0.0.0.0:81"]}),
        ("daphne -b :: a:b", {"target": "a:b", "bind": ["[::]:8000"]}),
        (
            "daphne -e tcp:port=80:interface=127.0.0.1 -e unix:/run/x a:b",
            {"target": "a:b", "bind": ["127.0.0.1:80", "unix:/run/x"]},
        ),
        (
            "daphne -e ssl:443:privateKey=k.pem:certKey=c.pem a:b",
            {
                "target": "a:b",
                "bind": ["0.0.0.0:443"],
                "ssl_certfile": "c.pem",
                "ssl_keyfile": "k.pem",
            },
        ),
        ("daphne -v 0 a:b", {"target": "a:b", "log_level": "warning", "access_log": False}),
        ("daphne --no-server-name a:b", {"target": "a:b", "server_header": False}),
        (
            "daphne -s site a:b",
            {"target": "a:b", "server_header": False, "header": ["Server: site"]},
        ),
        (
            "daphne -t 30 --ping-interval 0 a:b",
            {"target": "a:b", "request_timeout": 30, "ws_ping_interval": "none"},
        ),
        ("hypercorn wsgi:a:b", {"target": "a:b", "interface": "wsgi"}),
        ("hypercorn -k trio a:b", {"target": "a:b"}),
        (
            "hypercorn --verify-mode CERT_REQUIRED --ca-certs c --certfile d a:b",
            {
                "target": "a:b",
                "ssl_cert_reqs": "required",
                "ssl_ca_certs": "c",
                "ssl_certfile": "d",
            },
        ),
    ],
)
def test_command_lines_of_daphne_and_hypercorn(command: str, expected: dict[str, object]) -> None:
    _, plan = migrated([], [command], "", False)
    assert {name: line.value for name, line in plan.lines.items()} == expected
