"""The server's own log: logger `bascule`, to standard error, with times.

The root logger and the loggers of the application are never touched. Rejected for that reason:
dictConfig for these defaults, because it closes every handler of the process. It is used for the
file of --log-config only, whose author asked for it.

With such a file everything is as the file says: what it does not configure goes to its root
logger. Only if it configures neither `bascule` nor the root does the default below stay.
"""

import logging
import sys
from contextlib import nullcontext
from logging import Logger
from typing import Any

from bascule.errors import UsageError
from bascule.observability.sink import Sink, open_sink
from bascule.observability.stamps import Stamp, remember_zone

LEVELS = ("critical", "error", "warning", "info", "debug")

# Seconds that a log line waits for a reader who is behind before it is dropped.
PATIENCE = 0.1

logger = logging.getLogger("bascule")


def configure(
    level: str, format: str, config_path: str | None = None, debug: bool = False
) -> None:
    """Set up logging; calling again replaces what the call before did.

    level: one of LEVELS. format: "text" or "json". config_path: the file of --log-config, .json,
    .toml, .yaml, .yml (as for logging.config.dictConfig), .ini or .conf (as for fileConfig).
    debug: short lines, for a developer's terminal.

    Raises UsageError for an unknown level, and for whatever is wrong with the file.
    """
    if level.lower() not in LEVELS:
        raise UsageError(f"--log-level {level}: it is one of {', '.join(LEVELS)}")
    remember_zone()
    _remove_own()
    if config_path is not None:
        from bascule.observability.logfile import apply_log_config

        apply_log_config(config_path)
    if config_path is None or not (is_configured(logger) or is_configured(logging.getLogger())):
        formatter = JSONFormatter() if format == "json" else TextFormatter(short=debug)
        _install(formatter, level)


def reopen() -> None:
    """Open the files of all handlers again, for a program that has moved them away (logrotate)."""
    named = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, Logger)]
    for handler in {handler for one in (logging.root, *named) for handler in one.handlers}:
        if isinstance(handler, logging.FileHandler):
            with handler.lock or nullcontext():
                # The next record opens it.
                if handler.stream is not None:
                    handler.stream.close()
                    handler.stream = None


def survive_application() -> None:
    """Take back our loggers from an application that configured logging for itself.

    dictConfig and fileConfig disable every logger that existed before, unless their
    configuration says otherwise. To be called when the application has been imported.
    """
    for name in [one for one in logging.root.manager.loggerDict if one.startswith("bascule")]:
        logging.getLogger(name).disabled = False


def is_configured(target: logging.Logger) -> bool:
    """Whether this logger was given a handler or, unless it is the root, a level."""
    return bool(target.handlers or (target.parent is not None and target.level))


def access_logger() -> logging.Logger | None:
    """The logger `bascule.access`, if it was configured: then requests are logged there."""
    target = logging.getLogger("bascule.access")
    return target if is_configured(target) else None


def _remove_own() -> None:
    for handler in [one for one in logger.handlers if isinstance(one, SinkHandler)]:
        logger.removeHandler(handler)
        handler.close()
        handler.let_go()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def _install(formatter: logging.Formatter, level: str) -> None:
    if sys.stderr is None:
        return  # a process without standard streams: its owner wants no output
    handler = SinkHandler(open_sink(sys.stderr, PATIENCE))
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False


class SinkHandler(logging.Handler):
    """Writes records to a sink. Records that the sink cannot take are lost without a report, which
    would have to go to the same log."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._sink.write((self.format(record) + "\n").encode(errors="backslashreplace"))
        except OSError:
            pass
        except Exception:
            self.handleError(record)

    def let_go(self) -> None:
        """Close the sink. Not in `close`: an application that calls dictConfig, as Django does,
        closes every handler there is, and the server's log must continue.
        """
        self._sink.close()


def printable(text: str) -> str:
    """`text` with control characters escaped, line ends and tabs kept: safe for a terminal."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode()
        for one in text
    )


class TextFormatter(logging.Formatter):
    """2026-08-01T12:30:00+02:00 [4711] WARNING message; short: 12:30:00 warning: message."""

    def __init__(self, short: bool = False) -> None:
        super().__init__()
        self._short = short
        self._stamp = Stamp(short)

    def formatMessage(self, record: logging.LogRecord) -> str:
        stamp, message = self._stamp(record.created), printable(record.message)
        if not self._short:
            return f"{stamp} [{record.process}] {record.levelname} {message}"
        if record.levelno == logging.INFO:
            return f"{stamp} {message}"
        return f"{stamp} {record.levelname.lower()}: {message}"


# The attributes that every record has; whatever else a record carries was given as `extra`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JSONFormatter(logging.Formatter):
    """One object a line: time, level, logger, pid, message, `extra` values, exception, stack.

    Usable in a --log-config file as `"()": "bascule.observability.logs.JSONFormatter"`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stamp = Stamp()

    def format(self, record: logging.LogRecord) -> str:
        import json

        fields: dict[str, Any] = {
            "time": self._stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        fields.update((k, v) for k, v in vars(record).items() if k not in STANDARD)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return json.dumps(fields, default=str)
