"""`bascule migrate`: the configuration of another server as bascule.toml."""

import os
from collections.abc import Sequence

import click

from bascule.errors import UsageError
from bascule.migration.migrate import migrated


def write_settings(
    files: Sequence[str],
    commands: Sequence[str],
    kind: str,
    output: str | None,
    force: bool,
    execute: bool,
) -> None:
    """Print the settings file, or write it. Raises UsageError."""
    if output is not None and os.path.exists(output) and not force:
        raise UsageError(f"{output} exists already; --force replaces it")
    text, plan = migrated(files, commands, kind, execute)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with open(output, "w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from None
    click.echo(
        f"{output}: {len(plan.lines)} settings; remarks about {len(plan.remarks)} more are in its "
        "comments"
    )
