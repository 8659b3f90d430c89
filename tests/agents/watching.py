"""The agents: how each is started, and how its reports are read. None reaches a network."""

import json
import re
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))
# The only span that differs: newrelic wraps the hooks for views of the first handler of a process
# alone, and with both sides there are two.
NEWRELIC_LEAVES_OUT = "CsrfViewMiddleware.process_view"


@dataclass(frozen=True)
class Agent:
    """package: what is imported to see whether it is there. words: what stands before the command
    of the server. env: its variables. reports: reads the output of the process."""

    package: str
    words: tuple[str, ...]
    env: dict[str, str]
    reports: Callable[[str], list[str]]


def of_lines(output: str) -> list[str]:
    """The lines that the project itself prints (`watched.reports`)."""
    return [line for line in output.splitlines() if line.startswith("REPORT ")]


def of_newrelic(output: str) -> list[str]:
    found = []
    for line in of_lines(output):
        report = json.loads(line.removeprefix("REPORT "))
        report["spans"] = [one for one in report["spans"] if NEWRELIC_LEAVES_OUT not in one]
        found.append(json.dumps(report))
    return found


def of_console(output: str) -> list[str]:
    """The spans of OpenTelemetry's console exporter, JSON over several lines."""
    found = []
    for start in re.finditer(r"^\{", output, re.MULTILINE):
        span, _ = json.JSONDecoder().raw_decode(output[start.start() :])
        route = span["attributes"]["http.route"]
        facts = [span["name"], span["kind"], route, span["status"]["status_code"]]
        found.append(f"{facts} {'below' if span['parent_id'] else 'root'}")
    return found


AGENTS = {
    "opentelemetry": Agent(
        "opentelemetry.instrumentation.django",
        (
            str(SCRIPTS / "opentelemetry-instrument"),
            *("--traces_exporter", "console"),
            *("--metrics_exporter", "none", "--logs_exporter", "none"),
        ),
        {},
        of_console,
    ),
    "sentry": Agent("sentry_sdk", (), {"WATCHED_BY": "sentry"}, of_lines),
    "newrelic": Agent(
        "newrelic",
        (str(SCRIPTS / "newrelic-admin"), "run-program"),
        {
            "WATCHED_BY": "newrelic",
            "NEW_RELIC_DEVELOPER_MODE": "true",
            "NEW_RELIC_LICENSE_KEY": "0" * 40,
            "NEW_RELIC_APP_NAME": "watched",
            "NEW_RELIC_STARTUP_TIMEOUT": "10",
        },
        of_newrelic,
    ),
    "ddtrace": Agent(
        "ddtrace",
        (str(SCRIPTS / "ddtrace-run"),),
        {
            "WATCHED_BY": "ddtrace",
            "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
            "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
            "DD_REMOTE_CONFIGURATION_ENABLED": "false",
            # Where gevent is installed, it would load asyncio a second time, and from then on
            # there are two kinds of CancelledError: asyncio.timeout does not end by its own.
            "DD_UNLOAD_MODULES_FROM_SITECUSTOMIZE": "false",
        },
        of_lines,
    ),
    "elastic-apm": Agent("elasticapm", (), {"WATCHED_BY": "elastic"}, of_lines),
}
