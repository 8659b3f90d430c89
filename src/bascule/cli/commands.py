"""The commands. Each imports what it needs when it runs: `bascule --help` loads no server."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from bascule.cli.help import SOURCES, WIDTH, CommandGroup, SectionedCommand
from bascule.cli.parameters import parameters, typed
from bascule.errors import UsageError
from bascule.settings import load_settings

# What differs in development. Reloading must not wait for a stream that a browser keeps open, and
# a PORT that some tool has set must not open a debugging server to the network, hence the host.
DEVELOPMENT: Mapping[str, object] = {
    "host": "127.0.0.1",
    "reload": True,
    "debug": True,
    "timeout_graceful_shutdown": 2.0,
}
ABOUT_TARGET = (
    "TARGET is module:attribute, or a module that has `application` or `app`; or the package of a "
    "Django project. Where manage.py is, it may be left out."
)
JSON = click.Option(["--json", "as_json"], is_flag=True, help="Show them as JSON.")


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
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


def serve(**options: Any) -> int:
    """Run `bascule serve`."""
    return start(typed(click.get_current_context()), {}, "")


def dev(**options: Any) -> int:
    """Run `bascule dev`."""
    return start(typed(click.get_current_context()), DEVELOPMENT, "bascule dev")


def config(as_json: bool, **options: Any) -> None:
    """Run `bascule config`."""
    from bascule.cli.show import as_json_text, as_table
    from bascule.django.configuration import described

    said = typed(click.get_current_context())
    settings = load_settings(said, need_target=False, find_project=described)
    click.echo(as_json_text(settings) if as_json else as_table(settings))


def start(said: Mapping[str, object], preset: Mapping[str, object], preset_name: str) -> int:
    """Serve, in this process or in one that is started again when files change."""
    from bascule.django.configuration import described
    from bascule.supervisor.sockets import inherited_sockets

    before = dict(os.environ)
    settings = load_settings(said, preset=preset, preset_name=preset_name, find_project=described)
    sockets = inherited_sockets(os.environ)
    if settings.reload and sockets is None:
        from bascule.supervisor.reload import run_reloading

        # A child finds out anew what a file has said to this process.
        os.environ.clear()
        os.environ.update(before)
        return run_reloading(settings, [sys.executable, *sys.orig_argv[1:]])
    from bascule.worker.run import run

    return run(settings, sockets, load=load)


def load(target: str, factory: bool, app_dir: str) -> object:
    """What TARGET names: a Django project, or the attribute of a module."""
    from bascule.django.locate import find_project
    from bascule.interfaces.locate import load_target

    project = find_project(target, app_dir, os.environ)
    if project is None:
        return load_target(target, factory, app_dir)
    if factory:
        raise UsageError(f"{target} is a Django project, not a function; leave --factory out")
    from bascule.django.sides import load_project

    return load_project(project)


def add(
    callback: Callable[..., object],
    summary: str,
    preset: Mapping[str, object],
    *extra: click.Parameter,
) -> None:
    """Add the command that is named as its function is, with the options of all settings."""
    command = SectionedCommand(
        callback.__name__,
        callback=callback,
        params=[*parameters(preset), *extra],
        help=f"{summary}\n\n{ABOUT_TARGET}",
        short_help=summary,
        epilog=SOURCES,
    )
    bascule.add_command(command)


add(serve, "Serve an application until SIGTERM or SIGINT.", {})
add(dev, "Serve for development: start again when files change, check more.", DEVELOPMENT)
add(config, "Show every setting, its value, and which source gave it.", {}, JSON)
