"""Each kind of file is recognised by its content, and read."""

import json
import os
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
UWSGI = """
    [uwsgi]
    project = site
    base = /srv/%(project)
    chdir = %(base)
    home = %(base)/env
    module = %(project).wsgi:application
    master = true
    processes = 5
    socket = %(base)/x.sock
    chmod-socket = 666
    ; a comment
    harakiri = 60
    static-map = /static=/srv/static
    static-map = /media=/srv/media
    env = A=1
    vaccum = true
    if-env = B
    uid = $(SITE_USER)
    [other]
    threads = 3
"""
VIRTUAL_HOST = """
    <VirtualHost *:80>
        ServerName site.example
        Alias /static/ /srv/site/static
        <Directory /srv/site/static>
            Require all granted
        </Directory>
        WSGIDaemonProcess site user=www processes=2 threads=15 \\
            python-home=/srv/venv python-path=/srv/site display-name=%{GROUP}
        WSGIProcessGroup site
        WSGIScriptAlias / /srv/site/site/wsgi.py process-group=site
        WSGIScriptAlias /old /srv/old/old.wsgi
        ErrorLog ${APACHE_LOG_DIR}/error.log
        Header always set X-Frame-Options "DENY"
        Header unset ETag
        LimitRequestBody 1048576
        Colour red
    </VirtualHost>
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
    "uwsgi.ini": (
        UWSGI,
        {
            "target": "site.wsgi:application",
            "app_dir": "/srv/site",
            "workers": 5,
            "bind": ["unix:/srv/site/x.sock"],
            "request_timeout": 60,
            "static": ["/static=/srv/static", "/media=/srv/media"],
        },
        [
            "/srv/site/env/bin/bascule",
            "Bascule speaks HTTP, not uwsgi",
            "line 10: chmod-socket = 666\n",
            "line 15: env = A=1\n",
            "line 16: vaccum = true\n",
            "line 17: if-env = B\n",
            "line 18: uid = $(SITE_USER)\n",
            "The value is not known (SITE_USER is not set here). Write `user = …`",
            "    uwsgi.ini line 7: master = true\n",
        ],
    ),
    "site.conf": (
        VIRTUAL_HOST,
        {
            "target": "site.wsgi:application",
            "app_dir": "/srv/site",
            "static": ["/static=/srv/site/static"],
            "threads": 15,
            "workers": 2,
            "user": "www",
            "limit_request_body": 1048576,
            "header": ["X-Frame-Options: DENY"],
        },
        [
            "line 1: <VirtualHost *:80>\n",
            "line 7: python-home=/srv/venv\n",
            "Bascule imports a module, not /srv/old/old.wsgi",
            "has to do: unset ETag",
            "line 16: Colour red\n",
        ],
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
    assert found == ([] if name in ("start.sh", "site.conf") else [name])


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
        ("settings", "[uwsgi]\nhttp = :80\n"),
        ("host", "  WSGIScriptAlias / /srv/x.py\n"),
    ],
)
def test_kinds_by_content(name: str, text: str) -> None:
    kinds = {
        "unit": "systemd",
        "image": "dockerfile",
        "programs": "supervisor",
        "any": "procfile",
        "start": "shell",
        "conf.toml": "hypercorn",
        "conf.py": "gunicorn",
        "settings": "uwsgi",
        "host": "apache",
    }
    assert recognise(name, text).name == kinds[name]


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.service", "[Service]\nExecStart\n", r"line 2: this is neither \[SECTION\] nor"),
        ("a.service", "[Service]\nExecStart=gunicorn 'a\n", "line 2: a quotation mark ' has no"),
        ("Dockerfile", "FROM a\nCMD [gunicorn]\n", "line 2: the brackets hold no JSON list"),
        ("Dockerfile", "FROM a\nCMD [1]\n", "line 2: the brackets hold no JSON list"),
        ("uwsgi.ini", "[uwsgi]\nhttp = :80\n= 3\n", "line 3: this is neither"),
        ("a.conf", "WSGIScriptAlias / x\n<Directory /x\n", "line 2: the section has no >"),
        ("a.conf", "WSGIDaemonProcess a 'b\n", "line 1: No closing quotation"),
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


@pytest.mark.parametrize(
    ("ini", "expected"),
    [
        ("wsgi-file = a/wsgi.py", {"target": "a.wsgi:application"}),
        ("chdir=/x\nwsgi-file = /x/a.py\ncallable = app", {"target": "a:app", "app_dir": "/x"}),
        ("module = a\ncallable = app", {"target": "a:app"}),
        ("wsgi-file = /srv/my app/x.py", {}),
        ("http = :80\nsocket = /run/x", {"bind": ["0.0.0.0:80", "unix:/run/x"]}),
        ("http-socket = 127.0.0.1:80", {"bind": ["127.0.0.1:80"]}),
        (
            "https = :443,c.pem,k.pem",
            {"bind": ["0.0.0.0:443"], "ssl_certfile": "c.pem", "ssl_keyfile": "k.pem"},
        ),
        ("workers = %k", {"workers": os.cpu_count()}),
        ("lazy-apps = true\ndisable-logging = true", {"preload": False, "access_log": False}),
        ("mount = /api=api.py:app\nmount = /b=b.wsgi", {"mount": ["/api=api:app", "/b=b.wsgi"]}),
        ("reload-on-rss = 200\nmax-requests = 0", {"workers_max_rss": 200, "max_requests": 0}),
        ("umask = 022\nlimit-post = 0", {"umask": "0022", "limit_request_body": "none"}),
    ],
)
def test_options_of_uwsgi(ini: str, expected: dict[str, object], tmp_path: Path) -> None:
    _, _, found = migrate(tmp_path, "uwsgi.ini", f"[uwsgi]\n{ini}\n")
    assert found == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("site/wsgi.py", {"target": "site.wsgi:application"}),
        (
            "site.wsgi --application-type module --port 81",
            {"target": "site.wsgi:application", "host": "0.0.0.0", "port": 81},
        ),
        (
            "app.py --callable-object app --processes 2 --threads 4",
            {"target": "app:app", "workers": 2, "threads": 4},
        ),
        ("hello.wsgi --log-to-terminal", {}),
        (
            "a.py --url-alias /static ./static --document-root ./htdocs",
            {"target": "a:application", "static": ["/static=./static", "/=./htdocs"]},
        ),
        (
            "a.py --https-port 443 --ssl-certificate /etc/x",
            {
                "target": "a:application",
                "host": "0.0.0.0",
                "port": 443,
                "ssl_certfile": "/etc/x.crt",
                "ssl_keyfile": "/etc/x.key",
            },
        ),
        (
            "a.py --request-timeout 0 --user www --python-path /srv",
            {
                "target": "a:application",
                "request_timeout": "none",
                "user": "www",
                "app_dir": "/srv",
            },
        ),
    ],
)
def test_command_lines_of_mod_wsgi_express(arguments: str, expected: dict[str, object]) -> None:
    _, plan = migrated([], [f"mod_wsgi-express start-server {arguments}"], "", False)
    assert {name: line.value for name, line in plan.lines.items()} == expected


def test_a_command_line_of_uwsgi(tmp_path: Path) -> None:
    (tmp_path / "x.ini").write_text("[uwsgi]\nmodule = a.wsgi\nthreads = 2\nprocesses = 2\n")
    for command in ("uwsgi --ini x.ini --http :80 -p 4", "uwsgi x.ini --http :80 -p 4 --master"):
        _, _, found = migrate(tmp_path, "Procfile", f"web: {command}\n")
        assert found == {"target": "a.wsgi", "threads": 2, "bind": ["0.0.0.0:80"], "workers": 4}
