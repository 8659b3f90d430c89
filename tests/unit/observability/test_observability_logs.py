"""The server's own log: what it looks like, where it goes, and whose logging it leaves alone."""

import io
import json
import logging
import sys
import time

import pytest

from bascule.errors import UsageError
from bascule.observability import logs
from bascule.observability.logs import JSONFormatter, TextFormatter, access_logger, configure

MOMENT = 1785580200.25  # 2026-08-01T10:30:00.25 UTC


@pytest.fixture(autouse=True)
def zone(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def untouched():
    """Leave logging as it was, whatever a test configures."""
    named = [logging.getLogger(name) for name in ("bascule", "bascule.access", "someapp")]
    before = [(one, list(one.handlers), one.level, one.propagate) for one in named]
    root = logging.getLogger()
    root_before = (list(root.handlers), root.level)
    yield
    for one, handlers, level, propagate in before:
        for handler in set(one.handlers) - set(handlers):
            handler.close()
        one.handlers[:] = handlers
        one.level, one.propagate, one.disabled = level, propagate, False
    for handler in set(root.handlers) - set(root_before[0]):
        handler.close()
    root.handlers[:], root.level = root_before
    for one in named:
        one.manager._clear_cache()


@pytest.fixture
def stderr(capfd):
    """The output on standard error since the last call."""
    return lambda: capfd.readouterr().err


def record(message="hello", level=logging.INFO, **more):
    return logging.makeLogRecord(
        {
            "name": "bascule",
            "msg": message,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "created": MOMENT,
            "process": 4711,
            **more,
        }
    )


# Lines


def test_a_text_line():
    assert TextFormatter().format(record()) == "2026-08-01T12:30:00+02:00 [4711] INFO hello"


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (logging.INFO, "12:30:00 hello"),
        (logging.WARNING, "12:30:00 warning: hello"),
        (logging.DEBUG, "12:30:00 debug: hello"),
    ],
)
def test_a_short_text_line(level, line):
    assert TextFormatter(short=True).format(record(level=level)) == line


def test_a_text_line_cannot_speak_to_the_terminal():
    line = TextFormatter(short=True).format(record("a\x1b[31m\x9b\x7f b\r\tc größe\nd"))
    assert line == "12:30:00 a\\x1b[31m\\x9b\\x7f b\\r\tc größe\nd"


def test_a_text_line_shows_the_traceback():
    text = TextFormatter().format(record(exc_info=caught()))
    assert text.startswith("2026-08-01T12:30:00+02:00 [4711] INFO hello\nTraceback")
    assert text.endswith("ValueError: no")


def caught():
    try:
        raise ValueError("no")
    except ValueError:
        return sys.exc_info()


def test_a_json_line():
    line = JSONFormatter().format(record("hello %s", args=("you",)))
    assert json.loads(line) == {
        "time": "2026-08-01T12:30:00+02:00",
        "level": "info",
        "logger": "bascule",
        "pid": 4711,
        "message": "hello you",
    }


def test_a_json_line_has_everything_else_as_fields():
    line = JSONFormatter().format(
        record("a\nb", exc_info=caught(), stack_info="here\nthere", client="1.2.3.4", odd={1})
    )
    assert "\n" not in line
    fields = json.loads(line)
    assert fields["message"] == "a\nb"
    assert fields["exception"].endswith("ValueError: no")
    assert fields["stack"] == "here\nthere"
    assert fields["client"] == "1.2.3.4"
    assert fields["odd"] == "{1}"


# The default configuration


def test_the_log_goes_to_standard_error(capfd):
    configure("info", "text")
    logging.getLogger("bascule").info("hello")
    logging.getLogger("bascule.worker").warning("child")
    logging.getLogger("bascule").debug("not shown")
    out, err = capfd.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.endswith("INFO hello")
    assert second.endswith("WARNING child")


def test_levels_formats_and_debug(stderr):
    configure("DEBUG", "text", debug=True)
    logging.getLogger("bascule").debug("one")
    configure("error", "json")
    logging.getLogger("bascule").warning("two")
    logging.getLogger("bascule").error("three")
    first, second = stderr().splitlines()
    assert first.endswith(" debug: one")
    assert json.loads(second)["message"] == "three"


def test_configuring_again_replaces_the_handler():
    configure("info", "text")
    configure("info", "text")
    assert len(logging.getLogger("bascule").handlers) == 1


def test_a_handler_of_somebody_else_stays():
    theirs = logging.NullHandler()
    logging.getLogger("bascule").addHandler(theirs)
    configure("info", "text")
    assert theirs in logging.getLogger("bascule").handlers


def test_the_application_s_logging_is_left_alone(tmp_path, stderr):
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    theirs = logging.FileHandler(tmp_path / "app.log")
    logging.getLogger("someapp").addHandler(theirs)
    configure("info", "text")
    logging.getLogger("bascule").error("ours")
    logging.getLogger("someapp").error("theirs")
    assert (list(root.handlers), root.level) == before
    assert (tmp_path / "app.log").read_text() == "theirs\n"
    assert "theirs" not in stderr()


def test_without_standard_error_there_is_no_output(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    configure("info", "text")
    assert logging.getLogger("bascule").handlers == []


def test_an_unknown_level_says_which_there_are():
    with pytest.raises(UsageError) as refused:
        configure("loud", "text")
    assert str(refused.value) == (
        "--log-level loud: it is one of critical, error, warning, info, debug"
    )


class Failing(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


def test_a_reader_who_left_costs_the_line_only(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Failing(BrokenPipeError()))
    configure("info", "text")
    logging.getLogger("bascule").error("not read")


def test_other_errors_are_logging_s_to_report(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Failing(OSError()))
    configure("info", "text")
    reported = io.StringIO()
    monkeypatch.setattr(sys, "stderr", reported)
    logging.getLogger("bascule").error("%d", "no number")
    assert "Logging error" in reported.getvalue()


def test_a_text_that_utf8_cannot_carry_is_escaped(stderr):
    configure("info", "text")
    logging.getLogger("bascule").info("\udcff")
    assert "\\udcff" in stderr()


# Files


JSON_FILE = {
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "LOG"}},
    "loggers": {"bascule": {"handlers": ["file"], "level": "WARNING"}},
}
TOML_FILE = """
[handlers.file]
class = "logging.FileHandler"
filename = "LOG"
[loggers.bascule]
handlers = ["file"]
level = "WARNING"
"""
YAML_FILE = """
handlers:
  file:
    class: logging.FileHandler
    filename: LOG
loggers:
  bascule: {handlers: [file], level: WARNING}
"""
INI_FILE = """
[loggers]
keys=root,bascule
[handlers]
keys=file
[formatters]
keys=
[logger_root]
handlers=
[logger_bascule]
qualname=bascule
handlers=file
level=WARNING
[handler_file]
class=FileHandler
args=("LOG",)
"""


def write_file(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text.replace("LOG", str(tmp_path / "server.log")))
    return str(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log.json", json.dumps(JSON_FILE)),
        ("log.toml", TOML_FILE),
        ("log.ini", INI_FILE),
        ("log.conf", INI_FILE),
        ("log.yaml", YAML_FILE),
        ("log.yml", YAML_FILE),
    ],
)
def test_a_file_configures(tmp_path, stderr, name, text):
    other = logging.getLogger("someapp")
    configure("debug", "text")
    configure("debug", "text", write_file(tmp_path, name, text))
    logging.getLogger("bascule").info("below its level")
    logging.getLogger("bascule").warning("hello")
    assert (tmp_path / "server.log").read_text() == "hello\n"
    assert stderr() == ""
    assert not other.disabled


def test_a_file_for_the_root_gets_the_server_s_log_too(tmp_path, stderr):
    config = {
        "handlers": JSON_FILE["handlers"],
        "root": {"handlers": ["file"], "level": "INFO"},
    }
    configure("info", "text", write_file(tmp_path, "log.json", json.dumps(config)))
    logging.getLogger("bascule").info("hello")
    assert (tmp_path / "server.log").read_text() == "hello\n"
    assert stderr() == ""


def test_a_file_for_other_loggers_leaves_the_default(tmp_path, monkeypatch, stderr):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    config = {"loggers": {"someapp": {"level": "DEBUG"}}}
    configure("info", "text", write_file(tmp_path, "log.json", json.dumps(config)))
    logging.getLogger("bascule").info("hello")
    assert stderr().endswith("INFO hello\n")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("log.txt", "version: 1", "is not known by its ending; give one of .conf, .ini, .json"),
        ("log.yaml", "a: [", "expected the node content"),
        ("log.yaml", "", "it must hold one object"),
        ("log.conf", "no section", "MissingSectionHeaderError"),
        ("log", "{}", "the kind of file is not known by its ending"),
        ("log.json", "{", "Expecting property name"),
        ("log.json", "[]", "it must hold one object"),
        ("log.json", '{"version": 7}', "Unsupported version: 7"),
        (
            "log.json",
            '{"handlers": {"odd": {"class": "no.such.Handler"}}}',
            "Unable to configure handler 'odd': Cannot resolve 'no.such.Handler'",
        ),
        ("log.toml", "[handlers", "Expected ']' at the end of a table declaration"),
        ("log.ini", "no section", "MissingSectionHeaderError"),
        ("log.ini", "[loggers]\nkeys=root\n", "formatters"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path, name, text, words):
    path = write_file(tmp_path, name, text)
    with pytest.raises(UsageError) as refused:
        configure("info", "text", path)
    assert str(refused.value).startswith(f"--log-config {path}: ")
    assert words in str(refused.value)


def test_without_pyyaml_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = write_file(tmp_path, "log.yaml", YAML_FILE)
    with pytest.raises(UsageError) as refused:
        configure("info", "text", path)
    assert str(refused.value) == (
        f"--log-config {path}: reading YAML needs PyYAML, which is not installed.\n"
        "Install it (pip install 'bascule[yaml]'), or write the file as .json or .toml."
    )


@pytest.mark.parametrize("ending", ["json", "toml", "ini", "conf", "yaml"])
def test_a_missing_file_says_so(tmp_path, ending):
    with pytest.raises(UsageError) as refused:
        configure("info", "text", str(tmp_path / f"log.{ending}"))
    assert str(refused.value).endswith("cannot be read: No such file or directory")


def test_our_json_formatter_can_be_named_in_a_file(tmp_path):
    config = {
        "formatters": {"ours": {"()": "bascule.observability.logs.JSONFormatter"}},
        "handlers": {"file": {**JSON_FILE["handlers"]["file"], "formatter": "ours"}},
        "loggers": {"bascule.access": {"handlers": ["file"], "level": "INFO"}},
    }
    configure("info", "text", write_file(tmp_path, "log.json", json.dumps(config)))
    access_logger().info("a request", extra={"status": 200})
    fields = json.loads((tmp_path / "server.log").read_text())
    assert fields["status"] == 200


# Whether anybody wants the access log as records


def test_nobody_does_by_default():
    configure("info", "text")
    assert access_logger() is None


@pytest.mark.parametrize("how", ["handler", "level"])
def test_somebody_does(how):
    target = logging.getLogger("bascule.access")
    if how == "handler":
        target.addHandler(logging.NullHandler())
    else:
        target.setLevel(logging.INFO)
    assert access_logger() is target


def test_the_root_s_level_alone_is_no_configuration():
    # WARNING is what Python gives it.
    root = logging.RootLogger(logging.WARNING)
    assert not logs.is_configured(root)
