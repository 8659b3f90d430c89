"""The command line: `bascule serve`, `dev`, `config`, `migrate` and the others."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command of `arguments`, or of the process, and exit with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. Errors are printed to standard error."""
    import click

    from bascule.cli.commands import bascule
    from bascule.errors import EXIT_INTERRUPTED, SettingsError, StartupError, UsageError
    from bascule.settings.findings import listed

    try:
        # In its standalone mode click would exit with 0, whatever a command returns.
        return bascule.main(list(arguments), prog_name="bascule", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SettingsError as error:
        print(f"bascule: {listed(error.findings)}", file=sys.stderr)
        return error.exit_code
    except (UsageError, StartupError) as error:
        print(f"bascule: {error}", file=sys.stderr)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
