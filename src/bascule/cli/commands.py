"""The commands. Each imports its modules when it runs: `bascule --help` loads no server."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from bascule.cli.elsewhere import asked_elsewhere
from bascule.cli.help import (
    HELP_ALL,
    SOURCES,
    WIDTH,
    CommandGroup,
    Examples,
    SectionedCommand,
    show_everything,
)
from bascule.cli.parameters import parameters, typed
from bascule.errors import SettingsError, UsageError
from bascule.settings import DEVELOPMENT, OPTIONS, Settings, load_settings
from bascule.settings.load import NO_TARGET

ABOUT_TARGET = (
    "TARGET is module:attribute, a module that has `application` or `app`, or the package of a "
    "Django project. It can be left out in the directory of manage.py."
)
SERVE_EXAMPLES: Examples = (
    ("bascule serve main:app", "app of main.py, on 127.0.0.1:8000"),
    ("bascule serve mysite.wsgi -b :8080 -w 4", "on all interfaces, with four workers"),
    ("bascule serve", "the Django project in this directory"),
)
DEV_EXAMPLES: Examples = (
    ("bascule dev main:app", "app of main.py, with reload"),
    ("bascule dev main:app -b :9000", "reachable from other machines"),
    ("bascule dev", "the Django project in this directory"),
)
CONFIG_EXAMPLES: Examples = (
    ("bascule config", "the settings that bascule serve would use here"),
    ("bascule config -w 4 main:app", "the same, with more options"),
    ("bascule config --json", "for programs"),
)
GROUP_EXAMPLES: Examples = (SERVE_EXAMPLES[0], DEV_EXAMPLES[0], SERVE_EXAMPLES[1])
MIGRATED = (
    "gunicorn",
    "hypercorn",
    "uwsgi",
    "apache",
    "procfile",
    "systemd",
    "dockerfile",
    "compose",
    "supervisor",
    "shell",
)
JSON = click.Option(["--json", "as_json"], is_flag=True, help="Show them as JSON.")


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
)
@click.option(
    HELP_ALL,
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_everything,
    help="Show every option of serve.",
)
@click.option(
    "--version", is_flag=True, help="Show the version, the way it runs, Python and loop."
)
@click.pass_context
def bascule(context: click.Context, version: bool) -> None:
    """Serve WSGI and ASGI applications."""
    if version:
        from bascule.cli.version import version_line

        click.echo(version_line())
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())


assert isinstance(bascule, CommandGroup)
bascule.examples = GROUP_EXAMPLES


def serve(**options: Any) -> int:
    """Run `bascule serve`."""
    return start(typed(click.get_current_context()), {}, "")


def dev(**options: Any) -> int:
    """Run `bascule dev`."""
    return start(typed(click.get_current_context()), DEVELOPMENT, "bascule dev")


def config(as_json: bool, **options: Any) -> None:
    """Run `bascule config`."""
    from bascule.cli.show import as_json_text, as_table
    from bascule.django.loading.configuration import described

    said = typed(click.get_current_context())
    settings = load_settings(said, need_target=False, find_project=described)
    click.echo(as_json_text(settings) if as_json else as_table(settings))


def start(said: Mapping[str, object], preset: Mapping[str, object], preset_name: str) -> int:
    """Serve with the options that were typed, and the defaults of the command."""
    from bascule.django.loading.configuration import described
    from bascule.launch import run_command

    def read() -> Settings:
        try:
            return load_settings(
                said,
                preset=preset,
                preset_name=preset_name,
                find_project=described,
                elsewhere=asked_elsewhere,
            )
        except SettingsError as error:
            raise with_projects(error, str(said.get("app_dir", ""))) from None

    def start_over() -> list[str] | None:
        # Django settings are imported already, and ask for workers.
        if "django.conf" not in sys.modules or OPTIONS["workers"].variable in os.environ:
            return None
        return [sys.executable, *sys.orig_argv[1:]]

    return run_command(read, load, start_over)


def with_projects(error: SettingsError, app_dir: str) -> SettingsError:
    """Return the error; where TARGET is missing, with a hint at Django projects."""
    from bascule.django.loading.locate import where_projects_are

    if NO_TARGET not in error.findings:
        return error
    hint = where_projects_are(app_dir, os.environ)
    if not hint:
        return error
    missing = f"{NO_TARGET}; {hint}"
    return SettingsError([missing if one == NO_TARGET else one for one in error.findings])


def load(target: str, factory: bool, settings: Settings) -> object:
    """Return the application that TARGET names: a Django project, or an attribute of a module."""
    from bascule.django.loading.locate import find_project
    from bascule.loading.locate import load_target

    project = find_project(target, settings.app_dir, os.environ)
    if project is not None:
        if factory:
            raise UsageError(f"{target} is a Django project, not a function; leave --factory out")
        from bascule.django.loading.sides import load_project

        return load_project(project, settings.threads)
    app = load_target(target, factory, settings.app_dir)
    # A module that has set Django up serves it, or a part of it.
    django = sys.modules.get("django.conf")
    if django is None or not django.settings.configured:
        return app
    from bascule.django.handlers.choice import as_served

    interface = settings.interface if target == settings.target else "auto"
    return as_served(app, interface, target, settings.threads)


def ctl(command: tuple[str, ...], control: str | None, as_json: bool) -> int:
    """Run `bascule ctl`."""
    from bascule.cli.ctl import ask

    said = {} if control is None else {"control": control}
    settings = load_settings(said, need_target=False)
    if settings.control is None:
        raise UsageError("--control is missing: give the PATH that the server was given")
    return ask(settings.control, command[0], command[1:], as_json)


def compress(directory: str, force: bool) -> None:
    """Run `bascule static compress`."""
    from bascule.cli.compress import compress_directory

    compress_directory(directory, force)


def migrate(
    files: tuple[str, ...],
    commands: tuple[str, ...],
    kind: str | None,
    output: str | None,
    force: bool,
    execute: bool,
) -> None:
    """Run `bascule migrate`."""
    from bascule.cli.migrate import write_settings

    write_settings(files, commands, kind or "", output, force, execute)


def add(
    callback: Callable[..., object],
    summary: str,
    preset: Mapping[str, object],
    examples: Examples,
    *extra: click.Parameter,
) -> None:
    """Add a command with the name of its function, and the options of all settings."""
    command = SectionedCommand(
        callback.__name__,
        callback=callback,
        params=[*parameters(preset), *extra],
        help=summary,
        short_help=summary,
        examples=examples,
        about=ABOUT_TARGET,
        ending=SOURCES,
    )
    bascule.add_command(command)


add(serve, "Serve an application until SIGTERM or SIGINT.", {}, SERVE_EXAMPLES)
add(
    dev,
    "Serve for development: restart when files change, and check more.",
    DEVELOPMENT,
    DEV_EXAMPLES,
)
add(
    config,
    "Show every setting, its value, and the source of the value.",
    {},
    CONFIG_EXAMPLES,
    JSON,
)
bascule.add_command(
    click.Command(
        "ctl",
        callback=ctl,
        params=[
            click.Argument(["command"], nargs=-1, required=True, metavar="COMMAND [ARGUMENT]"),
            click.Option(["--control"], metavar="PATH", help="The control socket of the server."),
            JSON,
        ],
        help="Control a running server that was started with --control.\n\n\b\n"
        "status       show the workers\n"
        "reload       replace all workers, one after the other, and wait until that is done\n"
        "scale +1     add a worker; -1 removes one, 4 sets the number\n"
        "stacks [N]   show the stacks of all workers, or of worker N\n"
        "drain        finish the requests in flight, then end\n"
        "stop         end at once",
        short_help="Control a running server: status, reload, scale, stacks, drain, stop.",
    )
)
bascule.add_command(
    click.Group(
        "static",
        [
            click.Command(
                "compress",
                callback=compress,
                params=[
                    click.Argument(["directory"], metavar="DIRECTORY"),
                    click.Option(
                        ["--force"], is_flag=True, help="Also compress what has not changed."
                    ),
                ],
                help="Put compressed neighbours (.gz, .br, .zst) beside the text files of a "
                "directory. A server with --static sends them to clients that take them.",
                short_help="Put compressed neighbours beside the files of a directory.",
            )
        ],
        help="Static files: prepare them for --static.",
        short_help="Static files: compress.",
    )
)
bascule.add_command(
    click.Command(
        "migrate",
        callback=migrate,
        params=[
            click.Argument(["files"], nargs=-1, metavar="[FILE]..."),
            click.Option(
                ["commands", "--command"],
                multiple=True,
                metavar="COMMAND",
                help="A command that starts another server, in quotes.",
            ),
            click.Option(
                ["kind", "--from"],
                type=click.Choice(MIGRATED),
                help="The kind of the files, if their content does not show it.",
            ),
            click.Option(
                ["--output"], metavar="FILE", help="Write there instead of to the terminal."
            ),
            click.Option(["--force"], is_flag=True, help="Replace the file of --output."),
            click.Option(
                ["--execute"],
                is_flag=True,
                help="Run configuration files in Python, to see values that reading does not "
                "show.",
            ),
        ],
        help="Make bascule.toml of the configuration of another server.\n\n"
        "FILE is a configuration of Gunicorn, Hypercorn or uWSGI, a virtual host of mod_wsgi, "
        "or a "
        "file that starts a server: Procfile, systemd unit, Dockerfile, Compose file, supervisord "
        "program, shell script. Without FILE, those in this directory are read. Comments say "
        "where "
        "each line comes from, what has no counterpart, and what to do instead. Files are read, "
        "not "
        "executed.",
        short_help="Make bascule.toml of the configuration of another server.",
    )
)
