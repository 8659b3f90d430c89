"""Settings from environment variables, and from the file of variables that --env-file names.

An empty variable counts as not set: `VARIABLE=` means that in Compose files and CI systems.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bascule.settings.findings import Given, Layer, Rank, Source, did_you_mean, finding
from bascule.settings.option import VARIABLE_PREFIX
from bascule.settings.options import OPTIONS
from bascule.variables import OWN_VARIABLES

if TYPE_CHECKING:
    from dotenv.parser import Binding

_SUFFIXES = [option.variable.removeprefix(VARIABLE_PREFIX) for option in OPTIONS.values()]


def read_environment(environ: Mapping[str, str], findings: list[str]) -> Layer:
    """Return the settings in the environment; an unknown BASCULE_ variable is a finding."""
    sources = {name: Source(Rank.ENVIRONMENT, "environment", name) for name in environ}
    return read_variables(environ, sources, findings)


def read_variables(
    variables: Mapping[str, str], sources: Mapping[str, Source], findings: list[str]
) -> Layer:
    """Return the settings among some variables."""
    layer: Layer = {}
    known = {option.variable for option in OPTIONS.values()}
    for option in OPTIONS.values():
        for variable in option.variables:
            if variables.get(variable):
                source = replace(sources[variable], alias=variable != option.variable)
                layer[option.name] = Given(variables[variable], source)
                break
    for name in sorted(variables):
        if name.startswith(VARIABLE_PREFIX) and name not in known | OWN_VARIABLES:
            findings.append(finding(sources[name], f"is not a setting{_hint(name)}"))
    return layer


def _hint(variable: str) -> str:
    # Without the prefix, which would make all short names similar.
    return did_you_mean(variable.removeprefix(VARIABLE_PREFIX), _SUFFIXES, VARIABLE_PREFIX)


def read_env_file(path: str, findings: list[str]) -> tuple[dict[str, str], dict[str, Source]]:
    """Return the variables of a file of NAME=value lines, and the line of each."""
    variables: dict[str, str] = {}
    sources: dict[str, Source] = {}
    for binding in _bindings(path, findings):
        written = binding.original.string.lstrip()
        skipped = binding.original.string.removesuffix(written).count("\n")
        line = f"{path} line {binding.original.line + skipped}"
        if binding.error:
            text = written.splitlines()[0]
            findings.append(f"{line}: {text!r} is not NAME=value")
        elif binding.key is not None:
            sources[binding.key] = Source(Rank.ENV_FILE, line, binding.key)
            variables[binding.key] = ""
    if variables:
        variables.update(_values(path))
    return variables, sources


def _bindings(path: str, findings: list[str]) -> "list[Binding]":
    from dotenv.parser import parse_stream

    try:
        with open(path, encoding="utf-8") as file:
            return list(parse_stream(file))
    except FileNotFoundError:
        findings.append(f"{path}: there is no such file of environment variables")
    except OSError as error:
        findings.append(f"{path}: cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        findings.append(f"{path}: is not UTF-8 text: byte {error.start} cannot be read")
    return []


def _values(path: str) -> dict[str, str]:
    """Return the values with ${NAME} replaced, which takes all lines and the environment."""
    from dotenv import dotenv_values

    return {name: value or "" for name, value in dotenv_values(path).items()}
