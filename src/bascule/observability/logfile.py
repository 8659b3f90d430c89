"""The file of --log-config: read by its ending, applied by the standard library."""

import logging.config
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bascule.errors import UsageError


def apply_log_config(path: str) -> None:
    """Configure logging as the file says; loggers it does not name are left enabled.

    Raises UsageError with the file's name and the reason.
    """
    apply = APPLY.get(Path(path).suffix)
    if apply is None:
        raise UsageError(
            f"--log-config {path}: the kind of file is not known by its ending; give one of "
            f"{', '.join(sorted(APPLY))}"
        )
    try:
        apply(path)
    except UsageError:
        raise
    except OSError as exc:
        raise UsageError(f"--log-config {path}: cannot be read: {exc.strerror or exc}") from None
    except Exception as exc:
        # The standard library raises whatever the mistake happens to hit: ValueError, KeyError,
        # TypeError, ImportError, configparser's errors, or what a handler's constructor raises.
        raise UsageError(f"--log-config {path}: {_reasons(exc)}") from None


def _reasons(exc: BaseException) -> str:
    """The error and its causes: dictConfig says where, its cause says what."""
    text = str(exc) if isinstance(exc, ValueError) else f"{type(exc).__name__}: {exc}"
    return f"{text}: {_reasons(exc.__cause__)}" if exc.__cause__ is not None else text


def _apply_json(path: str) -> None:
    import json

    with open(path, "rb") as file:
        _apply_dict(json.load(file))


def _apply_toml(path: str) -> None:
    import tomllib

    with open(path, "rb") as file:
        _apply_dict(tomllib.load(file))


def _apply_yaml(path: str) -> None:
    try:
        import yaml
    except ImportError:
        raise UsageError(
            f"--log-config {path}: reading YAML needs PyYAML, which is not installed.\n"
            "Install it (pip install 'bascule[yaml]'), or write the file as .json or .toml."
        ) from None
    with open(path, "rb") as file:
        _apply_dict(yaml.safe_load(file))


def _apply_dict(config: Any) -> None:
    if not isinstance(config, dict):
        raise ValueError("it must hold one object, as logging.config.dictConfig takes")
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **config})


def _apply_ini(path: str) -> None:
    import configparser

    # Read here, because fileConfig reports an unreadable file as whatever is missing in it.
    parser = configparser.ConfigParser()
    with open(path, encoding="utf-8") as file:
        parser.read_file(file)
    logging.config.fileConfig(parser, disable_existing_loggers=False)


APPLY: dict[str, Callable[[str], None]] = {
    ".json": _apply_json,
    ".toml": _apply_toml,
    ".ini": _apply_ini,
    ".conf": _apply_ini,
    ".yaml": _apply_yaml,
    ".yml": _apply_yaml,
}
