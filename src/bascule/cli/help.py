"""Help that can be read: options under headings, and hints where a word was nearly right."""

import click

from bascule.cli.parameters import SettingParameter
from bascule.settings.findings import did_you_mean
from bascule.settings.web_kinds import AN_ADDRESS

WIDTH = 100
COLUMN = 30
SOURCES = (
    "Each option is also a key of bascule.toml or of [tool.bascule] in pyproject.toml (threads "
    "= 8), and a "
    "variable (BASCULE_THREADS=8). The command line is stronger than the environment, the "
    "environment than an "
    "--env-file, and that than the file. bascule config shows what came from where."
)


class SectionedCommand(click.Command):
    """A command whose help shows options by the sections of the settings table."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Parse, and where there is a word too many say what it may have been meant for."""
        given = list(args)
        try:
            return super().parse_args(context, args)
        except click.UsageError as error:
            # Other servers for development are told where to listen by a word of its own.
            word = next((one for one in reversed(given) if AN_ADDRESS.fullmatch(one)), None)
            if "extra argument" not in error.message or word is None:
                raise
            where = word if ":" in word else f":{word}"
            text = f"{error.message}; to listen there give --bind {where}"
            raise click.UsageError(text, context) from None

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one definition list for each section, then the options of the command itself."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None and isinstance(parameter, click.Option):
                section = parameter.section if isinstance(parameter, SettingParameter) else "Other"
                # Padding gives all sections the same columns.
                sections.setdefault(section, []).append((f"{record[0]:{COLUMN}}", record[1]))
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records, col_max=COLUMN)


class CommandGroup(click.Group):
    """The commands. A first word that is none is often a TARGET, its command forgotten."""

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which was meant."""
        word = args[0]
        if self.get_command(context, word) is None and not word.startswith("-"):
            hint = did_you_mean(word, self.list_commands(context))
            if not hint and (":" in word or "." in word):
                hint = f"; did you mean bascule serve {word}?"
            raise click.UsageError(f"there is no command {word!r}{hint}", context)
        return super().resolve_command(context, args)
